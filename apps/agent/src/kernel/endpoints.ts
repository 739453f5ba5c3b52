// Endpoints as kernel map entries and a link each. A row that is in the kernel is "ready".
import type { EndpointEntry } from "@tsilium/datapath/model.ts";
import { datapathDuty, type Endpoints } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Operations } from "@tsilium/tables";

export type EndpointMap = {
  upsert(entry: EndpointEntry): void;
  delete(id: number): unknown;
  list(): readonly { readonly id: number }[];
};

/** Operations for a reconciler over the endpoints' table. They move the states, nothing else does. */
export function endpointOperations(map: EndpointMap, endpoints: Endpoints): Operations<Endpoint> {
  // Becoming ready is a change of the table too; that one needs no second write.
  const justWritten = new WeakSet<Endpoint>();
  return {
    update(row) {
      switch (datapathDuty(row.state)) {
        case "leave":
          return;
        case "remove":
          map.delete(row.id);
          return;
        case "write":
          if (!justWritten.delete(row)) justWritten.add(write(map, endpoints, row));
      }
    },
    delete: (row) => void map.delete(row.id),
    prune(rows) {
      const known = new Set(rows.map(({ id }) => id));
      for (const { id } of map.list()) if (!known.has(id)) map.delete(id);
    },
  };
}

/** Writes a row and answers it as it is in the table then, ready. */
function write(map: EndpointMap, endpoints: Endpoints, row: Endpoint): Endpoint {
  const { id, state } = row;
  if (state !== "ready") endpoints.change(id, { state: "regenerating" });
  try {
    map.upsert(entryOf(row));
  } catch (error) {
    endpoints.change(id, { state: state === "ready" ? "waiting-to-regenerate" : "not-ready" });
    throw error;
  }
  return state === "ready" ? row : endpoints.change(id, { state: "ready" });
}

function entryOf(row: Endpoint): EndpointEntry {
  const { id, ifindex, identity, ipv4, ipv6, mac, nodeMac } = row;
  return { id, ifindex, identity, ipv4, ipv6, mac, nodeMac };
}
