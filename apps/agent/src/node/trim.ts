// Objects as far as the agent looks at them: thousands are kept for as long as it runs.
import {
  type CiliumEndpoint,
  type KubeObject,
  type Node,
  type Pod,
  type PodStatus,
  withoutManagedFields,
} from "@tsilium/kube";

/** Without managedFields and the like, which nobody here reads. */
export const withoutBallast: <T extends KubeObject>(object: T) => T = withoutManagedFields;

/** A pod's status with all its conditions is most of its size: of it, whether the pod is ready and at its end. */
export function trimPod(pod: Pod): Pod {
  const { spec, metadata, status } = withoutBallast(pod);
  const sidecars = (spec.initContainers ?? []).filter(
    ({ restartPolicy, ports }) => restartPolicy === "Always" && ports,
  );
  return {
    metadata,
    spec: {
      containers: spec.containers.map(({ name, ports }) => ({ name, ...(ports ? { ports } : {}) })),
      ...(sidecars.length > 0
        ? {
            initContainers: sidecars.map(({ name, ports = [], restartPolicy = "" }) => ({
              name,
              ports,
              restartPolicy,
            })),
          }
        : {}),
      ...(spec.nodeName ? { nodeName: spec.nodeName } : {}),
      ...(spec.hostNetwork ? { hostNetwork: true } : {}),
      ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
    },
    ...(status ? { status: trimPodStatus(status) } : {}),
  };
}

function trimPodStatus({ phase, podIP, podIPs, conditions = [] }: PodStatus): PodStatus {
  const ready = conditions.find(({ type }) => type === "Ready");
  return {
    ...(phase ? { phase } : {}),
    ...(podIP ? { podIP } : {}),
    ...(podIPs ? { podIPs } : {}),
    ...(ready ? { conditions: [{ type: ready.type, status: ready.status }] } : {}),
  };
}

/** Of another node's pod only whose its addresses are, its identity, its node and its named ports matter here. */
export function trimRemote(object: CiliumEndpoint): CiliumEndpoint {
  const { ownerReferences } = object.metadata;
  const { identity, networking, "named-ports": namedPorts } = object.status ?? {};
  return {
    metadata: { ...keyOf(object), ...(ownerReferences ? { ownerReferences } : {}) },
    status: {
      ...(identity ? { identity: { id: identity.id } } : {}),
      ...(networking ? { networking } : {}),
      ...(namedPorts ? { "named-ports": namedPorts } : {}),
    },
  };
}

/** A node's labels alone. */
export function trimNode(node: Node): Node {
  const { labels } = node.metadata;
  return { metadata: { ...keyOf(node), ...(labels ? { labels } : {}) } };
}

/** Of this node's own Node what says where it is and whether it is to be used. */
export function trimOwnNode(node: Node): Node {
  const { labels, deletionTimestamp } = node.metadata;
  const taints = node.spec?.taints;
  return {
    metadata: {
      ...keyOf(node),
      ...(labels ? { labels } : {}),
      ...(deletionTimestamp ? { deletionTimestamp } : {}),
    },
    ...(taints ? { spec: { taints } } : {}),
  };
}

/** A policy as its author wrote it: what became of it is not of it. */
export function trimPolicy<T extends KubeObject>(object: T): T {
  const { status: _, ...rest } = withoutBallast(object) as T & { status?: unknown };
  const { "kubectl.kubernetes.io/last-applied-configuration": __, ...annotations } =
    object.metadata.annotations ?? {};
  return { ...rest, metadata: { ...rest.metadata, annotations } } as T;
}

export function keyOf({ metadata }: KubeObject): KubeObject["metadata"] {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}
