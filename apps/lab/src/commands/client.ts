// What the object commands share: a client of the lab's API server, kinds, and how objects are called.
import { connectionFromKubeconfig, KubeClient } from "@tsilium/kube";
import { LabError } from "../error.ts";
import { discover, type DiscoveredKind, kindOf } from "../objects/discovery.ts";
import type { Manifest } from "../objects/manifests.ts";
import { runningLab } from "../state.ts";

export type LabClient = Disposable & {
  readonly client: KubeClient;
  readonly signal: AbortSignal;
  readonly kinds: DiscoveredKind[];
};

/** @throws LabError "not_running", KubeError */
export async function labClient(name: string): Promise<LabClient> {
  const { lab } = runningLab(name);
  const client = new KubeClient({
    ...connectionFromKubeconfig(lab.kubeconfig),
    userAgent: "tsilium-lab",
    onWarning: (text) => console.error(`warning: ${text}`),
  });
  const { signal } = new AbortController();
  try {
    const kinds = await discover(client, signal);
    return { client, signal, kinds, [Symbol.dispose]: () => client[Symbol.dispose]() };
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

/** "pod/web", "deployment.apps/web" */
export function displayName({ kind, group }: DiscoveredKind, name: string): string {
  return `${kind.toLowerCase()}${group ? `.${group}` : ""}/${name}`;
}

/** Where a manifest's object lives. @throws LabError when -n and the manifest disagree */
export function namespaceOf(
  kind: DiscoveredKind,
  manifest: Manifest,
  wanted: string | undefined,
): string | undefined {
  if (!kind.namespaced) return undefined;
  const own = manifest.metadata.namespace;
  if (own && wanted && own !== wanted) {
    throw new LabError(
      "bad_manifest",
      `${displayName(kind, manifest.metadata.name ?? "")} is of namespace "${own}", and -n says "${wanted}"`,
    );
  }
  return own ?? wanted ?? "default";
}

/** The kind of a manifest. @throws LabError "unknown_kind" */
export function requiredKind(kinds: readonly DiscoveredKind[], manifest: Manifest): DiscoveredKind {
  const kind = kindOf(kinds, manifest);
  if (kind) return kind;
  const { apiVersion, kind: wanted, metadata } = manifest;
  throw new LabError(
    "unknown_kind",
    `${wanted}/${metadata.name}: the API server has no kind ${wanted} in ${apiVersion}`,
    "Is its CustomResourceDefinition applied?",
  );
}
