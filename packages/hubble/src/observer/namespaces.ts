// Namespaces that flows were seen of lately.
import type { FlowEndpoint } from "../model.ts";

export type SeenNamespace = { readonly cluster: string; readonly namespace: string };

/** Cilium's: a namespace is forgotten an hour after its last flow. */
const keptNs = 3_600_000_000_000n;
/** A flow's namespace is of a client's making where clusters meet: not without bound. */
const mostNamespaces = 10_000;

type Entry = SeenNamespace & { seenNs: bigint };

export class Namespaces {
  readonly #entries = new Map<string, Entry>();
  readonly #ofEndpoint = new WeakMap<FlowEndpoint, Entry>();

  /** @param nowNs UNIX time */
  see(endpoint: FlowEndpoint, nowNs: bigint): void {
    if (endpoint.namespace === "") return;
    const known = this.#ofEndpoint.get(endpoint);
    if (known) known.seenNs = nowNs;
    else this.#remember(endpoint, nowNs);
  }

  /** By cluster, then by name. */
  list(nowNs: bigint): readonly SeenNamespace[] {
    return [...this.#entries.values()]
      .filter(({ seenNs }) => nowNs - seenNs <= keptNs)
      .map(({ cluster, namespace }) => ({ cluster, namespace }))
      .sort((a, b) => compare(a.cluster, b.cluster) || compare(a.namespace, b.namespace));
  }

  #remember(endpoint: FlowEndpoint, nowNs: bigint): void {
    const { clusterName: cluster, namespace } = endpoint;
    const key = `${cluster}/${namespace}`;
    let entry = this.#entries.get(key);
    if (!entry) {
      if (this.#entries.size >= mostNamespaces) this.#forgetOldest(nowNs);
      entry = { cluster, namespace, seenNs: nowNs };
      this.#entries.set(key, entry);
    }
    entry.seenNs = nowNs;
    this.#ofEndpoint.set(endpoint, entry);
  }

  /** Those that are over; if there are none, the one that was seen first. */
  #forgetOldest(nowNs: bigint): void {
    const before = this.#entries.size;
    for (const [key, { seenNs }] of this.#entries)
      if (nowNs - seenNs > keptNs) this.#entries.delete(key);
    const [first] = this.#entries.keys();
    if (this.#entries.size === before && first !== undefined) this.#entries.delete(first);
  }
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
