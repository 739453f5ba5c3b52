// The pods that manifests describe. A workload is one pod with the workload's name: to policy its replicas are alike.
import type { ContainerPort, Namespace, Pod, PodSpec, PodTemplateSpec } from "@tsilium/kube";
import { TestError } from "../error.ts";
import { parsePort } from "../port.ts";
import type { TestObject } from "./read.ts";

/** A pod as tests describe it in short. */
export type PodDescription = {
  readonly labels?: Readonly<Record<string, string>>;
  /** Container ports by name: `{ http: "8080/tcp" }`. */
  readonly ports?: Readonly<Record<string, number | string>>;
  readonly serviceAccount?: string;
  /** "node-1": where a lab runs it. */
  readonly node?: string;
  readonly hostNetwork?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  /** At most one of each family; without them, some of the lab's pod networks. A lab gives its own. */
  readonly addresses?: readonly string[];
};

/** A manifest of a pod: `pod("shop/frontend", { labels: { app: "frontend" } })`. */
export function pod(name: string, description: PodDescription = {}): Pod {
  const { labels = {}, annotations, node, hostNetwork, serviceAccount, addresses } = description;
  const [namespace, podName] = splitName(name);
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: podName, namespace, labels, ...(annotations ? { annotations } : {}) },
    spec: {
      containers: [{ name: "main", ports: containerPorts(description.ports ?? {}) }],
      ...(node === undefined ? {} : { nodeName: node }),
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
      serviceAccountName: serviceAccount ?? "default",
    },
    ...(addresses ? { status: { podIPs: addresses.map((ip) => ({ ip })) } } : {}),
  };
}

/** A manifest of a namespace. */
export function namespace(
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Namespace & { readonly apiVersion: "v1"; readonly kind: "Namespace" } {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
}

/** The pod of a manifest, if it is a pod's or a workload's. */
export function podOf(object: TestObject): Pod | undefined {
  if (object.kind === "Pod" && object.apiVersion === "v1") return withDefaults(object as Pod);
  const template = templateOf(object);
  if (!template) return undefined;
  return withDefaults({
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: object.metadata.name ?? "",
      ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
      labels: template.metadata?.labels ?? {},
      annotations: template.metadata?.annotations ?? {},
    },
    spec: template.spec,
  });
}

/** "shop/frontend" -> ["shop", "frontend"]; without a namespace, "default". */
export function splitName(name: string): [namespace: string, name: string] {
  const at = name.indexOf("/");
  return at < 0 ? ["default", name] : [name.slice(0, at), name.slice(at + 1)];
}

/** As admission does it. */
function withDefaults(pod: Pod): Pod {
  const spec: Partial<PodSpec> = pod.spec ?? {};
  return {
    ...pod,
    metadata: { ...pod.metadata, namespace: pod.metadata.namespace ?? "default" },
    spec: {
      ...spec,
      containers: spec.containers ?? [],
      serviceAccountName: spec.serviceAccountName ?? "default",
    },
  };
}

function templateOf({ apiVersion, kind, spec }: TestObject): PodTemplateSpec | undefined {
  const group = apiVersion.split("/")[0];
  const workload = spec as
    | { template?: PodTemplateSpec; jobTemplate?: { spec: { template: PodTemplateSpec } } }
    | undefined;
  if (group === "batch" && kind === "CronJob") return workload?.jobTemplate?.spec.template;
  const inApps = ["Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"].includes(kind);
  if ((group === "apps" && inApps) || (group === "batch" && kind === "Job"))
    return workload?.template;
  return undefined;
}

function containerPorts(ports: Readonly<Record<string, number | string>>): ContainerPort[] {
  return Object.entries(ports).map(([name, given]) => {
    const parsed = parsePort(given);
    if (parsed.kind !== "number")
      throw new TestError("port_invalid", `container port ${name}: "${given}" is no number`);
    return { name, containerPort: parsed.port, protocol: parsed.protocol };
  });
}
