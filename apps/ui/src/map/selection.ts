// The flows of one node or one edge of the map: what relay is asked for, and the exact test of what it answers. The
// request is as narrow as filters can say; the test is that of the map itself, so that the list and the counts agree.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FlowFilterSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { FlowFilter } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import { RequestError } from "../http/server.ts";
import { reservedIdentities } from "../shared/names.ts";
import type { MapEnds, MapNames } from "./node-of.ts";

export type Selection = {
  /** Filters of which one at least matches every flow that `includes`. undefined: they cannot say it. */
  readonly filters: FlowFilter[] | undefined;
  includes(flow: Flow): boolean;
};

type Draft = MessageInitShape<typeof FlowFilterSchema>;
/** A node, or with only kind and namespace a whole namespace. */
type Place = { kind: string; namespace: string; workloadKind: string; name: string; key: string };

/**
 * "node=KEY" or "edge=KEY KEY" (with "protocol" and "port" of one connection among the edge's); a namespace's key is
 * "namespace/NAME//". undefined: nothing is selected.
 * @throws RequestError on what is no key
 */
export function selectionOf(query: URLSearchParams, names: MapNames): Selection | undefined {
  const node = query.get("node");
  if (node !== null) return ofNode(place(node), names);
  const edge = query.get("edge");
  if (edge === null) return undefined;
  const [source, destination, rest] = edge.split(" ");
  if (source === undefined || destination === undefined || rest !== undefined)
    throw new RequestError(400, "edge: wanted two keys");
  const port = query.get("edge-port");
  return ofEdge(place(source), place(destination), {
    names,
    protocol: query.get("edge-protocol") ?? undefined,
    port: port === null ? undefined : Number(port),
  });
}

function ofNode(node: Place, names: MapNames): Selection {
  const source = fieldsOf(node, "source");
  const destination = fieldsOf(node, "destination");
  return {
    filters:
      source && destination
        ? [create(FlowFilterSchema, source), create(FlowFilterSchema, destination)]
        : undefined,
    includes(flow) {
      const ends = names.ends(flow);
      return ends !== undefined && (isAt(node, ends, "source") || isAt(node, ends, "destination"));
    },
  };
}

function ofEdge(
  from: Place,
  to: Place,
  only: {
    readonly names: MapNames;
    readonly protocol: string | undefined;
    readonly port: number | undefined;
  },
): Selection {
  const there = [fieldsOf(from, "source"), fieldsOf(to, "destination")] as const;
  const back = [fieldsOf(to, "source"), fieldsOf(from, "destination")] as const;
  const known = [...there, ...back].some((fields) => fields !== undefined);
  return {
    filters: known
      ? [there, back].map(([a, b]) => create(FlowFilterSchema, { ...a, ...b } as Draft))
      : undefined,
    includes(flow) {
      const ends = only.names.ends(flow);
      if (!ends || !isAt(from, ends, "source") || !isAt(to, ends, "destination")) return false;
      if (only.protocol !== undefined && ends.protocol !== only.protocol) return false;
      return only.port === undefined || ends.port === only.port;
    },
  };
}

function isAt(place: Place, ends: MapEnds, end: "source" | "destination"): boolean {
  const node = ends[end];
  return place.kind === "namespace" ? node.namespace === place.namespace : node.key === place.key;
}

/** Fields of a filter that every flow with this end has. undefined: there are none. */
function fieldsOf(place: Place, end: "source" | "destination"): Draft | undefined {
  const { kind, namespace, name } = place;
  switch (kind) {
    case "namespace":
      return { [`${end}Pod`]: [`${namespace}/`] };
    case "pod":
      return { [`${end}Pod`]: [`${namespace}/${name}`] };
    case "workload":
      // By the beginning of its pods' names: other nodes' agents do not tell the workload.
      return { [`${end}Pod`]: [`${namespace}/${name.slice(0, generatedNameLength)}`] };
    case "fqdn":
      return { [`${end}Fqdn`]: [name] };
    case "reserved":
      return name !== "world" && name in reservedIdentities && name !== "kube-apiserver"
        ? { [`${end}Identity`]: [reservedIdentities[name] as number] }
        : undefined;
    default:
      return undefined;
  }
}

/** Controllers cut longer names before they add what tells pods apart. */
const generatedNameLength = 40;

function place(key: string): Place {
  const parts = key.split("/");
  try {
    const [kind = "", namespace = "", workloadKind = "", name = ""] = parts.map(decodeURIComponent);
    if (parts.length === 4 && kind !== "") return { kind, namespace, workloadKind, name, key };
  } catch {
    // Falls through: a broken escape.
  }
  throw new RequestError(400, `${JSON.stringify(key)} is no node of the map`);
}
