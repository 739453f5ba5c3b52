// An object as YAML, and the lines of one part of it: found by writing the object a second time with a word in the
// part's place.
import { dump } from "js-yaml";

/** Lines count from 0; `to` is not one of them. */
export type MarkedYaml = {
  readonly yaml: string;
  readonly marked?: { readonly from: number; readonly to: number };
};

const word = "tsilium-marks-this";

/** @param path "spec.ingress[0].toPorts[1]"; one that the object does not have marks nothing */
export function markedYaml(object: object, path: string | undefined): MarkedYaml {
  const yaml = write(object);
  const keys = path === undefined ? undefined : keysOf(path);
  const copy = keys && withWordAt(object, keys);
  if (!copy) return { yaml };
  const lines = yaml.split("\n");
  const marked = write(copy).split("\n");
  const from = marked.findIndex((line) => line.includes(word));
  if (from < 0) return { yaml };
  return { yaml, marked: { from, to: from + 1 + lines.length - marked.length } };
}

function write(object: object): string {
  return dump(object, { lineWidth: 100, noRefs: true });
}

/** "spec.ingress[0]" -> ["spec", "ingress", 0]. undefined: it is no path. */
function keysOf(path: string): (string | number)[] | undefined {
  const keys: (string | number)[] = [];
  for (const part of path.split(".")) {
    const match = /^([A-Za-z][\w-]*)((?:\[\d{1,6}\])*)$/.exec(part);
    if (!match) return undefined;
    keys.push(match[1] as string);
    for (const [, index] of (match[2] as string).matchAll(/\[(\d+)\]/g)) keys.push(Number(index));
  }
  return keys;
}

/** A copy along the path. undefined: there is nothing. */
function withWordAt(value: unknown, keys: readonly (string | number)[]): object | undefined {
  const [key, ...rest] = keys;
  if (key === undefined || typeof value !== "object" || value === null) return undefined;
  if (!Object.hasOwn(value, key)) return undefined;
  const inner = (value as Record<string | number, unknown>)[key];
  const next = rest.length === 0 ? word : withWordAt(inner, rest);
  if (next === undefined) return undefined;
  return Array.isArray(value)
    ? value.map((entry: unknown, index) => (index === key ? next : entry))
    : { ...value, [key]: next };
}
