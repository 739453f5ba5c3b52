// The CiliumEndpoint that tells other nodes and people about a pod. Pure: rows in, object out.
import type { Address } from "@tsilium/net";
import type { CiliumEndpoint, Pod } from "@tsilium/kube";
import type { Endpoint, EndpointPolicy, PolicyEnforcement } from "./model.ts";

export type PublishedEndpoint = {
  /** "namespace/name", of the pod and of its CiliumEndpoint. */
  readonly key: string;
  readonly object: CiliumEndpoint & {
    readonly metadata: { readonly name: string; readonly namespace: string };
  };
};

/** As in `status.named-ports`. */
export type PublishedPort = {
  readonly name?: string;
  readonly port?: number;
  readonly protocol?: string;
};

/** Named ports of a pod's containers, sidecars (init containers that go on running) among them. */
export function podNamedPorts({ spec }: Pod): Required<PublishedPort>[] {
  const sidecars = (spec.initContainers ?? []).filter(
    ({ restartPolicy }) => restartPolicy === "Always",
  );
  return [...spec.containers, ...sidecars]
    .flatMap(({ ports }) => ports ?? [])
    .flatMap(({ name, containerPort: port, protocol = "TCP" }) =>
      name === undefined ? [] : [{ name, port, protocol }],
    );
}

/**
 * What to publish for a pod, given its endpoints on this node: the newest one that has an identity and is not
 * going away. undefined when there is none, or when it is no pod.
 */
export function publishedEndpoint(
  endpoints: readonly Endpoint[],
  pod: Pod | undefined,
  nodeAddress: Address,
): PublishedEndpoint | undefined {
  const [newest] = endpoints
    .filter((endpoint) => endpoint.podName !== "" && endpoint.identity !== 0)
    .filter(
      ({ state }) => state !== "disconnecting" && state !== "disconnected" && state !== "invalid",
    )
    .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  if (!newest) return undefined;
  return {
    key: `${newest.namespace}/${newest.podName}`,
    object: toCiliumEndpoint(
      newest,
      pod?.metadata.uid === newest.podUid ? pod : undefined,
      nodeAddress,
    ),
  };
}

function toCiliumEndpoint(
  endpoint: Endpoint,
  pod: Pod | undefined,
  nodeAddress: Address,
): PublishedEndpoint["object"] {
  const { namespace, podName, podUid } = endpoint;
  const namedPorts = pod ? podNamedPorts(pod) : [];
  const account = pod?.spec.serviceAccountName;
  return {
    metadata: {
      name: podName,
      namespace,
      ...(pod?.metadata.labels ? { labels: pod.metadata.labels } : {}),
      // The pod's end is the CiliumEndpoint's end, even when this node is gone by then.
      ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: podName, uid: podUid }],
    },
    status: {
      id: endpoint.id,
      state: publicState(endpoint),
      identity: { id: endpoint.identity, labels: endpoint.labels.toArray() },
      networking: {
        addressing: [
          {
            ...(endpoint.ipv4 ? { ipv4: endpoint.ipv4.toString() } : {}),
            ...(endpoint.ipv6 ? { ipv6: endpoint.ipv6.toString() } : {}),
          },
        ],
        node: nodeAddress.toString(),
      },
      encryption: { key: 0 },
      "external-identifiers": {
        "container-id": endpoint.containerId,
        "cni-attachment-id": `${endpoint.containerId}:${endpoint.containerInterface}`,
        "k8s-namespace": namespace,
        "k8s-pod-name": podName,
        "pod-name": `${namespace}/${podName}`,
      },
      ...(namedPorts.length > 0 ? { "named-ports": namedPorts } : {}),
      ...(endpoint.policy ? { policy: policyStatus(endpoint.policy) } : {}),
      ...(account ? { "service-account": account } : {}),
    },
  };
}

/** States that last microseconds are not worth a write to the API server. */
function publicState({ state }: Endpoint): string {
  return state === "waiting-to-regenerate" || state === "regenerating" ? "ready" : state;
}

/** Cilium's words for how policy is enforced. */
const publicEnforcement: Readonly<Record<PolicyEnforcement, string>> = {
  disabled: "disabled",
  enforcing: "enforcing",
  audit: "non-enforcing",
};

function policyStatus({ ingress, egress }: EndpointPolicy) {
  const direction = (enforcement: PolicyEnforcement) => ({
    enforcing: enforcement === "enforcing",
    state: publicEnforcement[enforcement],
  });
  return { ingress: direction(ingress), egress: direction(egress) };
}
