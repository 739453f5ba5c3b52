// The pod an ADD is for: from the watch when it is there and the right one, otherwise from the API server.
import { CniError, cniCode, type PodReference } from "@tsilium/endpoint";
import { KubeError, type KubeClient, type Namespace, type Pod, resources } from "@tsilium/kube";
import type { Table } from "@tsilium/tables";

export type PodFinderOptions = {
  readonly client: KubeClient;
  /** Pods of this node, keyed "namespace/name". */
  readonly pods: Table<Pod>;
  /** Keyed by name. */
  readonly namespaces: Table<Namespace>;
};

export class PodFinder {
  readonly #options: PodFinderOptions;

  constructor(options: PodFinderOptions) {
    this.#options = options;
  }

  /** @throws CniError when there is no such pod, KubeError when the API server cannot be asked. */
  async find(
    reference: PodReference,
    signal: AbortSignal,
  ): Promise<{ pod: Pod; namespace: Namespace }> {
    const { pods, namespaces } = this.#options;
    const known = pods.get(`${reference.namespace}/${reference.name}`);
    const pod = known && isMeant(known, reference) ? known : await this.#ask(reference, signal);
    const namespace =
      namespaces.get(reference.namespace) ?? (await this.#askNamespace(reference, signal));
    return { pod, namespace };
  }

  async #ask(reference: PodReference, signal: AbortSignal): Promise<Pod> {
    const { client } = this.#options;
    const pod = await orUnknown(
      client.get(resources.pods, reference.name, { namespace: reference.namespace, signal }),
      `pod ${reference.namespace}/${reference.name}`,
    );
    if (isMeant(pod, reference)) return pod;
    throw new CniError(cniCode.podUnknown, "the pod was replaced by another of its name", {
      details: `${reference.namespace}/${reference.name}: asked for UID ${reference.uid}, found ${pod.metadata.uid}`,
    });
  }

  async #askNamespace(reference: PodReference, signal: AbortSignal): Promise<Namespace> {
    const { client } = this.#options;
    return orUnknown(
      client.get(resources.namespaces, reference.namespace, { signal }),
      `namespace ${reference.namespace}`,
    );
  }
}

async function orUnknown<T>(asked: Promise<T>, what: string): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    if (!KubeError.isNotFound(error)) throw error;
    throw new CniError(cniCode.podUnknown, "the API server knows no such pod", {
      details: what,
      cause: error,
    });
  }
}

/** A static pod's UID is that of its manifest; its mirror on the API server names it in an annotation. */
function isMeant(pod: Pod, { uid }: PodReference): boolean {
  const { metadata } = pod;
  return (
    uid === undefined ||
    metadata.uid === uid ||
    metadata.annotations?.["kubernetes.io/config.hash"] === uid
  );
}
