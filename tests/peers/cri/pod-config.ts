// What a kubelet asks of a runtime for a pod: CRI's messages from the pod's spec. Pure.
import { join } from "node:path";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Container, Pod } from "@tsilium/kube";
import { environmentOf, expand, hostnameOf } from "../../../apps/lab/src/kubelet/environment.ts";
import {
  type ContainerConfig,
  ContainerConfigSchema,
  NamespaceMode,
  PodSandboxConfigSchema,
  type PodSandboxConfig,
  Protocol,
} from "./gen/runtime/v1/api_pb.ts";

/** Labels by which a kubelet finds its pods' sandboxes and containers again: the kubelet's own names. */
export const podLabels = {
  name: "io.kubernetes.pod.name",
  namespace: "io.kubernetes.pod.namespace",
  uid: "io.kubernetes.pod.uid",
} as const;
export const containerLabel = "io.kubernetes.container.name";

export type NodeFacts = {
  readonly addresses: readonly string[];
  /** Below the root of every cgroup hierarchy. */
  readonly cgroupParent: string;
  readonly logs: string;
  readonly dns: MessageInitShape<typeof PodSandboxConfigSchema>["dnsConfig"];
};

/** @param attempt 0 for a pod's first sandbox */
export function sandboxConfig(pod: Pod, attempt: number, node: NodeFacts): PodSandboxConfig {
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  const { hostNetwork = false } = pod.spec;
  return create(PodSandboxConfigSchema, {
    metadata: { name, namespace, uid, attempt },
    hostname: hostNetwork ? "" : hostnameOf(pod),
    logDirectory: join(node.logs, uid),
    ...(node.dns ? { dnsConfig: node.dns } : {}),
    portMappings: pod.spec.containers.flatMap(({ ports = [] }) =>
      ports.map(({ protocol = "TCP", containerPort, hostPort = 0, hostIP = "" }) => ({
        protocol: Protocol[protocol],
        containerPort,
        hostPort,
        hostIp: hostIP,
      })),
    ),
    labels: labelsOf(pod),
    linux: {
      cgroupParent: join(node.cgroupParent, uid),
      securityContext: { namespaceOptions: namespacesOf(pod) },
    },
  });
}

/** @param attempt how often the container was started before */
export function containerConfig(
  pod: Pod,
  container: Container,
  facts: { readonly attempt: number; readonly podIps: readonly string[]; readonly node: NodeFacts },
): ContainerConfig {
  const { attempt, podIps, node } = facts;
  const sources = { configMaps: new Map(), secrets: new Map() };
  const environment = environmentOf(container, { pod, hostIps: node.addresses, podIps }, sources);
  const words = (list: readonly string[] = []) => list.map((word) => expand(word, environment));
  return create(ContainerConfigSchema, {
    metadata: { name: container.name, attempt },
    image: { image: container.image ?? "" },
    command: words(container.command),
    args: words(container.args),
    workingDir: container.workingDir ?? "",
    envs: Object.entries(environment).map(([key, value]) => ({ key, value })),
    labels: { ...labelsOf(pod), [containerLabel]: container.name },
    logPath: `${container.name}-${attempt}.log`,
    linux: { securityContext: { namespaceOptions: namespacesOf(pod) } },
  });
}

function labelsOf(pod: Pod): Record<string, string> {
  const { name = "", namespace = "", uid = "" } = pod.metadata;
  return {
    ...pod.metadata.labels,
    [podLabels.name]: name,
    [podLabels.namespace]: namespace,
    [podLabels.uid]: uid,
  };
}

function namespacesOf(pod: Pod) {
  const network = pod.spec.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD;
  return { network, pid: NamespaceMode.CONTAINER, ipc: NamespaceMode.POD };
}
