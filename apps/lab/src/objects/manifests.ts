// Objects as people write them: YAML or JSON documents in files or on stdin.
import { readFileSync } from "node:fs";
import type { KubeObject } from "@tsilium/kube";
import { loadAll } from "js-yaml";
import { LabError } from "../error.ts";

/** An object with what every manifest must say. */
export type Manifest = KubeObject & { readonly apiVersion: string; readonly kind: string };

/** Reads every document of every file, lists unfolded. @throws LabError "bad_manifest" */
export function readManifests(files: readonly string[]): Manifest[] {
  return files.flatMap((file) => {
    const text = readText(file);
    return parseManifests(text, file === "-" ? "stdin" : file);
  });
}

/** @throws LabError "bad_manifest", naming the document and what is wrong with it */
export function parseManifests(text: string, source: string): Manifest[] {
  let documents: unknown[];
  try {
    documents = loadAll(text) as unknown[];
  } catch (cause) {
    throw new LabError("bad_manifest", `${source}: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
  return documents
    .filter((document) => document !== null && document !== undefined)
    .flatMap((document, at) => unfold(document, `${source}, document ${at + 1}`));
}

function unfold(document: unknown, where: string): Manifest[] {
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new LabError("bad_manifest", `${where}: not an object`);
  const object = document as Partial<Manifest> & { readonly items?: unknown };
  if (object.kind?.endsWith("List") && Array.isArray(object.items))
    return object.items.flatMap((item, at) => unfold(item, `${where}, item ${at + 1}`));
  for (const field of ["apiVersion", "kind"] as const)
    if (typeof object[field] !== "string" || object[field] === "")
      throw new LabError("bad_manifest", `${where}: ${field} is missing`);
  if (!object.metadata?.name && !object.metadata?.generateName)
    throw new LabError("bad_manifest", `${where}: ${object.kind} without metadata.name`);
  return [object as Manifest];
}

function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new LabError(
      "bad_manifest",
      `cannot read ${file}: ${(cause as Error).message}`,
      undefined,
      { cause },
    );
  }
}
