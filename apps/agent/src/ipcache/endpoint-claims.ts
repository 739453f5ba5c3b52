// Follows local endpoints, and claims their addresses. Nodes are node-claims.ts' business.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Table } from "@tsilium/tables";
import { endpointClaims } from "./claims.ts";
import type { ClaimKeeper } from "./keeper.ts";

/** Claims from now on, until disposed of. */
export function keepEndpointClaims(claims: ClaimKeeper, endpoints: Table<Endpoint>): Disposable {
  return endpoints.subscribe(
    ({ kind, row }) =>
      claims.set(`endpoint/${row.id}`, kind === "delete" ? [] : endpointClaims(row)),
    { replay: true },
  );
}
