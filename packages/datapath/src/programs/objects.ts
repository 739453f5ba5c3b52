// The compiled objects and which program of theirs belongs where. One program per attach point, loaded once per node.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseObject } from "@tsilium/ebpf";
import type { CollectionSpec } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";

/** Attach points by the name of their object file; the program is called `tsi_<name>`. */
const attachPoints = [
  "from_container",
  "from_host",
  "from_netdev",
  "to_netdev",
  "from_overlay",
] as const;

export type AttachPoint = (typeof attachPoints)[number];

/** The specifications of every attach point's object. */
export type ObjectSet = Readonly<Record<AttachPoint, CollectionSpec>>;

/** Name of the program within an attach point's object. */
export function programName(point: AttachPoint): string {
  return `tsi_${point}`;
}

/** Reads every object under `directory` (dist/bpf). @throws DatapathError object_missing */
export function readObjects(directory: string): ObjectSet {
  const entries = attachPoints.map((point) => [point, readObject(directory, point)]);
  return Object.fromEntries(entries) as ObjectSet;
}

function readObject(directory: string, point: AttachPoint): CollectionSpec {
  const path = join(directory, `${point}.o`);
  try {
    const spec = parseObject(readFileSync(path));
    if (spec.programs[programName(point)]) return spec;
  } catch (cause) {
    throw new DatapathError("object_missing", `cannot read ${path}`, { cause });
  }
  throw new DatapathError("object_missing", `${path} holds no program ${programName(point)}`);
}
