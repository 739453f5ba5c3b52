// CiliumNetworkPolicy, for the pods of its namespace, and CiliumClusterwideNetworkPolicy, for all pods or for nodes.
import { policySchema } from "./policy/spec.ts";
import { ageColumn, define, type PrinterColumn } from "./schema.ts";

const columns: readonly PrinterColumn[] = [
  ageColumn,
  { name: "Valid", type: "string", jsonPath: ".status.conditions[?(@.type=='Valid')].status" },
];

export const ciliumNetworkPolicy = define({
  kind: "CiliumNetworkPolicy",
  plural: "ciliumnetworkpolicies",
  shortNames: ["cnp", "ciliumnp"],
  categories: ["ciliumpolicy"],
  scope: "Namespaced",
  statusSubresource: true,
  columns,
  schema: policySchema("endpoints"),
});

export const ciliumClusterwideNetworkPolicy = define({
  kind: "CiliumClusterwideNetworkPolicy",
  plural: "ciliumclusterwidenetworkpolicies",
  shortNames: ["ccnp"],
  categories: ["ciliumpolicy"],
  scope: "Cluster",
  statusSubresource: true,
  columns,
  schema: policySchema("nodes"),
});
