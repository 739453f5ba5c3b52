// Endpoints in blocks and in memory. Stored flows share their endpoint objects with live ones and with each other, so
// that what filters remember of an endpoint goes for all of them.
import type { FlowEndpoint, Workload } from "../model.ts";
import { corrupt } from "./errors.ts";
import { listOf, numberOf, parseJson, textOf } from "./json.ts";

/** Forgets all when it holds more: pods come and go for as long as a node lives. */
const mostKnown = 20_000;
/** Blocks whose endpoints are in memory: 200 each on a large node, 8 bytes a piece. */
const mostHolders = 4096;

/** Whoever keeps a list of endpoints that it could read again. */
export type EndpointHolder = { forgetEndpoints(): void };

export class EndpointPool {
  readonly #texts = new WeakMap<FlowEndpoint, string>();
  readonly #known = new Map<string, FlowEndpoint>();
  /** In the order in which they came. */
  readonly #holders = new Set<EndpointHolder>();

  /** Its JSON, the same for equal endpoints. */
  textOf(endpoint: FlowEndpoint): string {
    const known = this.#texts.get(endpoint);
    if (known !== undefined) return known;
    const text = toText(endpoint);
    this.#texts.set(endpoint, text);
    this.#remember(text, endpoint);
    return text;
  }

  /** @throws HistoryError corrupt */
  parse(text: string): FlowEndpoint {
    const known = this.#known.get(text);
    if (known) return known;
    const endpoint = fromText(text);
    // Not `text` itself: that would keep the whole block in memory.
    const own = toText(endpoint);
    this.#texts.set(endpoint, own);
    this.#remember(own, endpoint);
    return endpoint;
  }

  /** Tells the one that has held its list longest to forget it, when there are too many. */
  held(holder: EndpointHolder): void {
    this.#holders.add(holder);
    if (this.#holders.size <= mostHolders) return;
    const [first] = this.#holders;
    if (first) this.#holders.delete(first);
    first?.forgetEndpoints();
  }

  #remember(text: string, endpoint: FlowEndpoint): void {
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(text, endpoint);
  }
}

function toText({
  id,
  identity,
  clusterName,
  namespace,
  labels,
  podName,
  workloads,
}: FlowEndpoint): string {
  return JSON.stringify([
    id,
    identity,
    clusterName,
    namespace,
    podName,
    labels,
    workloads.map(({ kind, name }) => [kind, name]),
  ]);
}

function fromText(text: string): FlowEndpoint {
  const values = parseJson(text);
  if (!Array.isArray(values)) throw corrupt("an endpoint that is none");
  const [id, identity, clusterName, namespace, podName, labels, workloads] = values as unknown[];
  return {
    id: numberOf(id),
    identity: numberOf(identity),
    clusterName: textOf(clusterName),
    namespace: textOf(namespace),
    labels: listOf(labels, textOf),
    podName: textOf(podName),
    workloads: listOf(workloads, workloadOf),
  };
}

function workloadOf(value: unknown): Workload {
  if (!Array.isArray(value)) throw corrupt("a workload that is none");
  return { name: textOf(value[1]), kind: textOf(value[0]) };
}
