// Follows nodes and local endpoints, and claims their addresses.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Node } from "@tsilium/node/model.ts";
import type { Table } from "@tsilium/tables";
import type { NodeFacts } from "../node/facts.ts";
import { endpointClaims, nodeClaims } from "./claims.ts";
import type { ClaimKeeper } from "./keeper.ts";

export type KeepClaimsOptions = {
  readonly claims: ClaimKeeper;
  /** This node, which claims its addresses whether or not the API server knows of it. */
  readonly facts: NodeFacts;
  readonly dualStack: boolean;
  readonly nodes: Table<Node>;
  readonly endpoints: Table<Endpoint>;
};

/** Claims from now on, until disposed of. */
export function keepClaims({
  claims,
  facts,
  dualStack,
  nodes,
  endpoints,
}: KeepClaimsOptions): Disposable {
  const subscriptions = new DisposableStack();
  claims.set(`node/${facts.name}`, nodeClaims({ ...facts, local: true, labels: {} }, dualStack));
  subscriptions.use(
    nodes.subscribe(
      ({ kind, row }) => {
        if (row.local) return;
        claims.set(`node/${row.name}`, kind === "delete" ? [] : nodeClaims(row, dualStack));
      },
      { replay: true },
    ),
  );
  subscriptions.use(
    endpoints.subscribe(
      ({ kind, row }) =>
        claims.set(`endpoint/${row.id}`, kind === "delete" ? [] : endpointClaims(row)),
      { replay: true },
    ),
  );
  return subscriptions;
}
