// Labels of identities, as flows show them.
import { ReservedIdentity } from "@tsilium/identity/model.ts";

const none: readonly string[] = Object.freeze([]);
const clusterLabel = "k8s:io.cilium.k8s.policy.cluster=";

/** Reserved identities as they are before anybody tells of them. */
const reserved = new Map<number, readonly string[]>(
  Object.entries(ReservedIdentity).map(([name, id]) => [id, Object.freeze([`reserved:${name}`])]),
);

export class Identities {
  readonly #labels = new Map<number, readonly string[]>();

  set(id: number, labels: readonly string[]): void {
    this.#labels.set(id, flowLabels(labels));
  }

  delete(id: number): void {
    this.#labels.delete(id);
  }

  /** Sorted; one array as long as they stay the same. */
  labelsOf(id: number): readonly string[] {
    return this.#labels.get(id) ?? reserved.get(id) ?? none;
  }
}

/**
 * Labels in the order and the selection of Cilium's flows: sorted, and of the prefixes that an identity of addresses
 * stands for, only the narrowest.
 */
export function flowLabels(labels: readonly string[]): readonly string[] {
  const cidrs = labels.filter(isCidr);
  if (cidrs.length < 2) return Object.freeze(labels.toSorted());
  const narrowest = cidrs.reduce((a, b) => (lengthOf(a) < lengthOf(b) ? b : a));
  const shown = labels.filter((label) => !isCidr(label) || label === narrowest);
  return Object.freeze(shown.toSorted());
}

/** The cluster that a pod's labels name; "": none. */
export function clusterOf(labels: readonly string[]): string {
  const label = labels.find((each) => each.startsWith(clusterLabel));
  return label === undefined ? "" : label.slice(clusterLabel.length);
}

function isCidr(label: string): boolean {
  return label.startsWith("cidr:");
}

function lengthOf(cidr: string): number {
  return Number(cidr.slice(cidr.lastIndexOf("/") + 1));
}
