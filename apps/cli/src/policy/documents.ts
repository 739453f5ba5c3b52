// Objects as they stand in files, folders and on standard input, each with the line where it begins.
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { constructFromEvents, parseEvents, YAMLException } from "js-yaml";
import { readStdin } from "../../../lab/src/objects/manifests.ts";
import { CommandError } from "../failure.ts";
import { Lines } from "./lines.ts";

export type Document = {
  /** As it was named; "stdin" for "-". */
  readonly file: string;
  readonly lines: Lines;
  readonly value: unknown;
};

/** A text that is no YAML. */
export type Unreadable = { readonly file: string; readonly line: number; readonly message: string };

/** Every object of every file, lists unfolded, in order. @throws CommandError for what cannot be read at all */
export function readDocuments(names: readonly string[]): readonly (Document | Unreadable)[] {
  return names.flatMap(filesOf).flatMap((file) => {
    const text = readText(file);
    return parseDocuments(text, file === "-" ? "stdin" : file);
  });
}

export function parseDocuments(text: string, file: string): (Document | Unreadable)[] {
  try {
    const events = parseEvents(text, {});
    const values = constructFromEvents(events, { source: text });
    const lines = Lines.ofDocuments(text, events);
    return values.flatMap((value, at) =>
      value === null || value === undefined
        ? []
        : unfold({ file, value, lines: lines[at] as Lines }),
    );
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    const { mark, reason } = error;
    return [{ file, line: (mark?.line ?? 0) + 1, message: `no YAML: ${reason}` }];
  }
}

function unfold(document: Document): Document[] {
  const { value, lines } = document;
  const { kind, items } = (value ?? {}) as { readonly kind?: unknown; readonly items?: unknown };
  if (typeof kind !== "string" || !kind.endsWith("List") || !Array.isArray(items))
    return [document];
  return items.flatMap((item, at) =>
    unfold({ ...document, value: item, lines: lines.within("items", String(at)) }),
  );
}

const extensions = "{yaml,yml,json}";

/** A folder stands for the YAML and JSON files in it, however deep. */
function filesOf(name: string): string[] {
  if (name === "-") return [name];
  try {
    if (!statSync(name).isDirectory()) return [name];
  } catch (cause) {
    throw new CommandError(`cannot read ${name}: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
  const files = globSync(`**/*.${extensions}`, { cwd: name }).toSorted();
  if (files.length === 0) throw new CommandError(`no .yaml, .yml or .json file in ${name}`);
  return files.map((file) => join(name, file));
}

function readText(file: string): string {
  try {
    return file === "-" ? readStdin() : readFileSync(file, "utf8");
  } catch (cause) {
    throw new CommandError(`cannot read ${file}: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
}
