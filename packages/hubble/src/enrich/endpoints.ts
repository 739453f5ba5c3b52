// Endpoints as flows show them, one object for each as long as it stays what it is: filters, encoders and the store know
// them again by that.
import type { FlowEndpoint } from "../model.ts";

/** Beyond it all are made anew, lest those of a cluster's past stay for ever. */
const capacity = 65_536;

export class FlowEndpoints {
  readonly #known = new Map<string, FlowEndpoint>();

  of(endpoint: FlowEndpoint): FlowEndpoint {
    const { id, identity, namespace, podName } = endpoint;
    const key = `${id}/${identity}/${namespace}/${podName}`;
    const known = this.#known.get(key);
    if (known && isSame(known, endpoint)) return known;
    if (this.#known.size >= capacity) this.#known.clear();
    this.#known.set(key, Object.freeze(endpoint));
    return endpoint;
  }
}

/** What the key does not say. */
function isSame(a: FlowEndpoint, b: FlowEndpoint): boolean {
  return (
    a.clusterName === b.clusterName &&
    isSameList(a.labels, b.labels) &&
    (a.workloads === b.workloads ||
      (a.workloads.length === b.workloads.length &&
        a.workloads.every(
          ({ kind, name }, at) => b.workloads[at]?.kind === kind && b.workloads[at].name === name,
        )))
  );
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((value, at) => value === b[at]));
}
