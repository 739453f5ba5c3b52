// The objects a test has applied, and what failure messages know from them.
import { type KubeObject, objectKey, type Pod } from "@tsilium/kube";
import { TestError } from "./error.ts";
import type { RuleView } from "./explanation.ts";
import { type Knowledge, type Party, partyName } from "./model.ts";
import { podOf } from "./manifests/pods.ts";
import type { ReadObject, TestObject } from "./manifests/read.ts";
import type { End } from "./suggest.ts";

export class Inventory implements Knowledge {
  readonly #objects = new Map<string, ReadObject>();
  readonly #pods = new Map<string, Pod>();

  /** Adds or replaces. */
  add({ object, file }: ReadObject): void {
    this.#objects.set(keyOf(object), { object, file });
    const pod = podOf(object);
    if (pod) this.#pods.set(objectKey(pod), pod);
  }

  /** What is not there is gone already. */
  remove({ object }: ReadObject): void {
    this.#objects.delete(keyOf(object));
    const pod = podOf(object);
    if (pod) this.#pods.delete(objectKey(pod));
  }

  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  /** The caller knows what such objects look like. */
  ofKind<T extends KubeObject>(kind: string): T[] {
    return [...this.#objects.values()]
      .filter(({ object }) => object.kind === kind)
      .map(({ object }) => object as unknown as T);
  }

  /** @throws TestError unknown_party */
  pod(name: string): Pod {
    const found = this.#pods.get(name);
    if (found) return found;
    const known = [...this.#pods.keys()].toSorted().join(", ") || "none";
    throw new TestError("unknown_party", `there is no pod ${name}; there is ${known}`);
  }

  objectOf(rule: RuleView): unknown {
    return this.#find(rule)?.object;
  }

  fileOf(rule: RuleView): string | undefined {
    return this.#find(rule)?.file;
  }

  endOf(party: Party): End | undefined {
    if (party.kind === "address") return party;
    if (party.kind === "entity") return party;
    const pod = this.#pods.get(partyName(party));
    return pod && { kind: "pod", namespace: party.namespace, labels: pod.metadata.labels ?? {} };
  }

  #find({ kind, namespace, name }: RuleView): ReadObject | undefined {
    return this.#objects.get(`${kind}/${namespace}/${name}`);
  }
}

/** "NetworkPolicy/shop/isolate"; without a namespace where the kind has none. */
export function keyOf({ kind, metadata }: TestObject): string {
  const namespace = isClusterWide(kind) ? "" : (metadata.namespace ?? "default");
  return `${kind}/${namespace}/${metadata.name ?? ""}`;
}

const clusterWideKinds: ReadonlySet<string> = new Set([
  "Namespace",
  "Node",
  "CiliumClusterwideNetworkPolicy",
  "CiliumCIDRGroup",
  "ClusterNetworkPolicy",
]);

/** Of the kinds that policy looks at. */
export function isClusterWide(kind: string): boolean {
  return clusterWideKinds.has(kind);
}
