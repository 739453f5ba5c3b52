// `tsilium lab apply -f FILE|-`, as `kubectl apply` does it.
import { setTimeout as sleep } from "node:timers/promises";
import { KubeError } from "@tsilium/kube";
import { LabError } from "../error.ts";
import { annotated, applyPatch } from "../objects/apply.ts";
import { discover, kindOf } from "../objects/discovery.ts";
import { type Manifest, readManifests } from "../objects/manifests.ts";
import { displayName, type LabClient, labClient, namespaceOf, requiredKind } from "./client.ts";

export type ApplyOptions = { readonly filename: readonly string[]; readonly namespace?: string };

/** A kind whose definition was applied a moment ago appears within this. */
const newKindPatienceMs = 5000;

/** Applies document by document, in order; stops at the first that is refused. @throws LabError, KubeError */
export async function apply(name: string, options: ApplyOptions): Promise<void> {
  const manifests = readManifests(options.filename);
  if (manifests.length === 0)
    throw new LabError(
      "bad_manifest",
      `no object in ${options.filename.join(", ").replace(/^-$/, "stdin")}`,
    );
  using lab = await labClient(name);
  const defines = manifests.some(({ kind }) => kind === "CustomResourceDefinition");
  for (const manifest of manifests) {
    if (defines) await awaitKind(lab, manifest);
    console.log(await applyOne(lab, manifest, options.namespace));
  }
}

async function applyOne(
  lab: LabClient,
  manifest: Manifest,
  wanted: string | undefined,
): Promise<string> {
  const { client, signal } = lab;
  const kind = requiredKind(lab.kinds, manifest);
  const namespace = namespaceOf(kind, manifest, wanted);
  const object = annotated(manifest, namespace);
  const objectName = manifest.metadata.name ?? "";
  try {
    const created = await client.create(kind, object, { namespace, signal });
    return `${displayName(kind, created.metadata.name ?? objectName)} created`;
  } catch (error) {
    if (!KubeError.isAlreadyExists(error)) throw error;
  }
  const live = (await client.get(kind, objectName, { namespace, signal })) as Manifest;
  const patch = applyPatch(live, object);
  if (!patch) return `${displayName(kind, objectName)} unchanged`;
  await client.patch(kind, objectName, { type: "merge", patch, namespace, signal });
  return `${displayName(kind, objectName)} configured`;
}

async function awaitKind(lab: LabClient, manifest: Manifest): Promise<void> {
  const deadline = performance.now() + newKindPatienceMs;
  while (!kindOf(lab.kinds, manifest) && performance.now() < deadline) {
    lab.kinds.splice(0, lab.kinds.length, ...(await discover(lab.client, lab.signal)));
    if (!kindOf(lab.kinds, manifest)) await sleep(100);
  }
}
