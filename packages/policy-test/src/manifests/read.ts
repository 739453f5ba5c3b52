// Manifests as tests name them: globs of files, YAML text, objects. Everything becomes objects that know their file.
import { globSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import type { KubeObject } from "@tsilium/kube";
import { loadAll } from "js-yaml";
import { TestError } from "../error.ts";
import type { Manifest } from "../model.ts";

/** An object with what every manifest must say. */
export type TestObject = KubeObject & {
  readonly apiVersion: string;
  readonly kind: string;
  readonly spec?: unknown;
};

export type ReadObject = {
  readonly object: TestObject;
  /** Relative to the folder that globs start from; undefined when it was no file. */
  readonly file: string | undefined;
};

/**
 * All objects of all manifests, in order; a folder stands for the YAML and JSON files in it.
 * @param folder where globs start
 * @throws TestError manifest_invalid: what is no YAML, no object, or a glob that finds no file
 */
export function readManifests(manifests: readonly Manifest[], folder: string): ReadObject[] {
  return manifests.flatMap((manifest) => {
    if (typeof manifest !== "string") return unfold(manifest, "an object", undefined);
    if (manifest.includes("\n")) return parse(manifest, "YAML text", undefined);
    return filesOf(manifest, folder).flatMap((path) => {
      const file = relative(folder, path);
      return parse(readText(path, file), file, file);
    });
  });
}

function filesOf(pattern: string, folder: string): string[] {
  const found = globSync(pattern, { cwd: folder })
    .toSorted()
    .map((path) => join(folder, path));
  const files = found.flatMap((path) =>
    statSync(path).isDirectory()
      ? globSync("*.{yaml,yml,json}", { cwd: path })
          .toSorted()
          .map((name) => join(path, name))
      : [path],
  );
  if (files.length > 0) return files;
  // A slip of the pen would be a test of no policy at all.
  throw new TestError("manifest_invalid", `no file is called ${pattern} in ${folder}`);
}

function readText(path: string, file: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const message = `cannot read ${file}: ${(cause as Error).message}`;
    throw new TestError("manifest_invalid", message, { cause });
  }
}

function parse(text: string, where: string, file: string | undefined): ReadObject[] {
  let documents: unknown[];
  try {
    documents = loadAll(text);
  } catch (cause) {
    const message = `${where}: ${(cause as Error).message}`;
    throw new TestError("manifest_invalid", message, { cause });
  }
  return documents
    .filter((document) => document !== null && document !== undefined)
    .flatMap((document, at) => unfold(document, `${where}, document ${at + 1}`, file));
}

function unfold(document: unknown, where: string, file: string | undefined): ReadObject[] {
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new TestError("manifest_invalid", `${where}: not an object`);
  const object = document as Partial<TestObject> & { readonly items?: unknown };
  if (object.kind?.endsWith("List") && Array.isArray(object.items))
    return object.items.flatMap((item, at) => unfold(item, `${where}, item ${at + 1}`, file));
  for (const field of ["apiVersion", "kind"] as const)
    if (typeof object[field] !== "string" || object[field] === "")
      throw new TestError("manifest_invalid", `${where}: ${field} is missing`);
  if (typeof object.metadata?.name !== "string")
    throw new TestError("manifest_invalid", `${where}: ${object.kind} without metadata.name`);
  return [{ object: object as TestObject, file }];
}
