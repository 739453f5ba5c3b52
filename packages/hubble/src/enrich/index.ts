// Who is who: what a node knows, for turning what events say into flows.
export type { KnownAddress } from "./address-table.ts";
export { Enricher } from "./enricher.ts";
export type {
  AddressItem,
  EndpointItem,
  EnrichItem,
  FrontendItem,
  PolicyObject,
  RuleCause,
} from "./model.ts";
export { unnamedRule, type RulePolicies } from "./policies.ts";
