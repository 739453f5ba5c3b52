// Objects as people write them: YAML or JSON documents in files or on stdin.
import { readFileSync, readSync } from "node:fs";
import type { KubeObject } from "@tsilium/kube";
import { loadAll } from "js-yaml";
import { LabError } from "../error.ts";

/** An object with what every manifest must say. */
export type Manifest = KubeObject & { readonly apiVersion: string; readonly kind: string };

const stdinPauseMs = 5;

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
    return file === "-" ? readStdin() : readFileSync(file, "utf8");
  } catch (cause) {
    throw new LabError(
      "bad_manifest",
      `cannot read ${file}: ${(cause as Error).message}`,
      undefined,
      { cause },
    );
  }
}

/** To its end. A parent that is a Node process makes it a socket that does not block: then it is waited for. */
export function readStdin(): string {
  const chunks: Buffer[] = [];
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const chunk = Buffer.alloc(65_536);
    try {
      const length = readSync(0, chunk);
      if (length === 0) return Buffer.concat(chunks).toString();
      chunks.push(chunk.subarray(0, length));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, stdinPauseMs);
    }
  }
}
