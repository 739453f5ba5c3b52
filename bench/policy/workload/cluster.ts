// The cluster that policies are measured in: 100 namespaces of 60 apps, 6,000 identities, the same in every run.
import type { CiliumIdentity, KubeObject } from "@tsilium/kube";
import { Labels } from "@tsilium/net";

export type App = {
  readonly identity: number;
  readonly namespace: string;
  readonly name: string;
  /** Of its pods. */
  readonly podLabels: Readonly<Record<string, string>>;
  readonly namespaceLabels: Readonly<Record<string, string>>;
};

export const namespaceCount = 100;
export const appsPerNamespace = 60;
/** Far from where a lab's allocator begins, below the end of what is cluster-wide. */
const firstIdentity = 40_000;
const tiers = ["front", "middle", "back"] as const;

export const namespaceName = (number: number) => `team-${String(number).padStart(3, "0")}`;
export const appName = (number: number) => `app-${String(number).padStart(2, "0")}`;

/** Every tenth namespace is one of tests. */
function namespaceLabels(number: number): Readonly<Record<string, string>> {
  return {
    "kubernetes.io/metadata.name": namespaceName(number),
    stage: number % 10 === 0 ? "test" : "production",
  };
}

/** All apps, in order of identity: those of one namespace after the other. */
export function apps(): App[] {
  return Array.from({ length: namespaceCount * appsPerNamespace }, (_, index) => appOf(index));
}

/** The app of a number, also past the last one: those have new identities in the namespaces that there are. */
export function appOf(index: number): App {
  const inNamespace = Math.floor(index / namespaceCount);
  const namespace = index % namespaceCount;
  const name = appName(inNamespace);
  return {
    identity: firstIdentity + index,
    namespace: namespaceName(namespace),
    name,
    podLabels: { app: name, tier: tiers[inNamespace % tiers.length] as string },
    namespaceLabels: namespaceLabels(namespace),
  };
}

export function namespaceObjects(): KubeObject[] {
  return Array.from({ length: namespaceCount }, (_, number) => ({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: namespaceName(number), labels: namespaceLabels(number) },
  }));
}

/** What identities are made of. */
type Labelled = Pick<App, "namespace" | "podLabels" | "namespaceLabels">;

/** An identity's labels as Labels#toArray writes them. */
export function labelsOf(app: Labelled): string[] {
  const texts = Object.entries(securityLabels(app)).map(([key, value]) => `${key}=${value}`);
  return Labels.parse(texts).toArray();
}

/** An identity's labels as the agent gives them to a pod: source and key, and the value. */
function securityLabels(app: Labelled): Record<string, string> {
  const labels: Record<string, string> = {
    "k8s:io.cilium.k8s.policy.cluster": "default",
    "k8s:io.cilium.k8s.policy.serviceaccount": "default",
    "k8s:io.kubernetes.pod.namespace": app.namespace,
  };
  for (const [key, value] of Object.entries(app.podLabels)) labels[`k8s:${key}`] = value;
  for (const [key, value] of Object.entries(app.namespaceLabels))
    labels[`k8s:io.cilium.k8s.namespace.labels.${key}`] = value;
  return labels;
}

export function identityObject(app: App): CiliumIdentity {
  return {
    metadata: {
      name: String(app.identity),
      labels: { "io.kubernetes.pod.namespace": app.namespace },
    },
    "security-labels": securityLabels(app),
  };
}
