// `tsilium lab delete`: deletes what a file names (last first), or objects by name, and waits until they are gone.
import { setTimeout as sleep } from "node:timers/promises";
import { KubeError } from "@tsilium/kube";
import { LabError } from "../error.ts";
import { type DiscoveredKind, kindByWord, kindOf } from "../objects/discovery.ts";
import { readManifests } from "../objects/manifests.ts";
import { displayName, type LabClient, labClient, namespaceOf } from "./client.ts";

export type DeleteOptions = {
  readonly kind: string | undefined;
  readonly names: readonly string[];
  readonly filename?: readonly string[];
  readonly namespace?: string;
  readonly timeout: number;
  readonly gracePeriod?: number;
};

type Doomed = {
  readonly kind: DiscoveredKind;
  readonly name: string;
  readonly namespace: string | undefined;
};

/** What is gone already is no error. @throws LabError "timeout" naming what is still there */
export async function deleteObjects(name: string, options: DeleteOptions): Promise<void> {
  if ((options.kind === undefined) === (options.filename === undefined))
    throw new LabError("bad_manifest", "say what to delete: -f FILE, or KIND NAME...");
  using lab = await labClient(name);
  const doomed = options.kind === undefined ? fromFiles(lab, options) : fromWords(lab, options);
  const { gracePeriod: gracePeriodSeconds } = options;
  const grace = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
  for (const { kind, name: object, namespace } of doomed) {
    const found = await lab.client.delete(kind, object, {
      namespace,
      signal: lab.signal,
      ...grace,
    });
    console.log(`${displayName(kind, object)} ${found ? "deleted" : "was not there"}`);
  }
  await untilGone(lab, doomed, options.timeout);
}

function fromFiles(lab: LabClient, options: DeleteOptions): Doomed[] {
  return readManifests(options.filename ?? [])
    .toReversed()
    .flatMap((manifest) => {
      // Objects of a kind that is gone are gone.
      const kind = kindOf(lab.kinds, manifest);
      if (!kind) return [];
      const namespace = namespaceOf(kind, manifest, options.namespace);
      return [{ kind, namespace, name: manifest.metadata.name ?? "" }];
    });
}

function fromWords(lab: LabClient, { kind: word = "", names, namespace }: DeleteOptions): Doomed[] {
  const [kindWord = "", ...nameParts] = word.split("/");
  const kind = kindByWord(lab.kinds, kindWord);
  const all = nameParts.length > 0 ? [nameParts.join("/"), ...names] : names;
  if (all.length === 0) throw new LabError("bad_manifest", `which ${kind.plural}? Give a name.`);
  const where = kind.namespaced ? (namespace ?? "default") : undefined;
  return all.map((name) => ({ kind, name, namespace: where }));
}

async function untilGone(
  lab: LabClient,
  doomed: readonly Doomed[],
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let left = [...doomed]; ;) {
    const still = await Promise.all(left.map((entry) => isThere(lab, entry)));
    left = left.filter((_, at) => still[at]);
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      const names = left.map(({ kind, name }) => displayName(kind, name)).join(", ");
      throw new LabError("timeout", `still there after ${timeoutMs / 1000} s: ${names}`);
    }
    await sleep(50);
  }
}

async function isThere(lab: LabClient, { kind, name, namespace }: Doomed): Promise<boolean> {
  try {
    await lab.client.get(kind, name, { namespace, signal: lab.signal });
    return true;
  } catch (error) {
    if (KubeError.isNotFound(error)) return false;
    throw error;
  }
}
