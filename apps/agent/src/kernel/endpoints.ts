// Endpoints as kernel map entries and a link each. A row that is in the kernel is "ready". Rows name the subject that
// holds the pod's policy: without policy nothing is written, and what was written before stays.
import type { EndpointEntry } from "@tsilium/datapath/model.ts";
import { datapathDuty, type Endpoints } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Operations } from "@tsilium/tables";

export type EndpointMap = {
  upsert(entry: EndpointEntry): void;
  delete(id: number): unknown;
  list(): readonly { readonly id: number }[];
};

export type EndpointOperationsOptions = {
  readonly map: EndpointMap;
  readonly endpoints: Endpoints;
  /** Told of every row that the kernel holds now. */
  readonly onWritten?: (row: Endpoint) => void;
};

/** Operations for a reconciler over the endpoints' table. They move the states, nothing else does. */
export function endpointOperations(options: EndpointOperationsOptions): Operations<Endpoint> {
  const { map, endpoints, onWritten } = options;
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
        case "write": {
          // An identity that has no policy yet may still be announced by the row of the one before.
          if (row.policy?.identity !== row.identity || justWritten.delete(row)) return;
          const written = write(map, endpoints, row);
          if (written !== row) justWritten.add(written);
          onWritten?.(row);
        }
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
  const { id, ifindex, identity, ipv4, ipv6, mac, nodeMac, netnsCookie, policy } = row;
  const subject = policy?.subject ?? 0;
  return { id, ifindex, identity, ipv4, ipv6, mac, nodeMac, netnsCookie, subject };
}
