// The compiled objects and which program of theirs belongs where. One program per attach point, loaded once per node.
import { existsSync, readFileSync } from "node:fs";
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
  "to_proxy",
] as const;

export type AttachPoint = (typeof attachPoints)[number];

/** Objects that a node can do without, with a program that each must hold. */
const optionalObjects = {
  socket: "tsi_connect4",
  xdp: "tsi_xdp",
  proxy: "tsi_egress_proxy_connect4",
} as const;

export type OptionalObject = keyof typeof optionalObjects;

/** The specifications of every object, by name. */
export type ObjectSet = Readonly<Record<AttachPoint, CollectionSpec>> &
  Readonly<Partial<Record<OptionalObject, CollectionSpec>>>;

/** Name of the program within an attach point's object. */
export function programName(point: AttachPoint): string {
  return `tsi_${point}`;
}

/** Reads the objects under `directory` (dist/bpf), of the optional ones those that are there. @throws DatapathError object_missing */
export function readObjects(directory: string): ObjectSet {
  const programs = Object.fromEntries(attachPoints.map((point) => [point, programName(point)]));
  const optional = Object.entries(optionalObjects).filter(([name]) =>
    existsSync(objectPath(directory, name)),
  );
  const wanted = [...Object.entries(programs), ...optional];
  const entries = wanted.map(([name, program]) => [name, readObject(directory, name, program)]);
  return Object.fromEntries(entries) as ObjectSet;
}

function readObject(directory: string, name: string, program: string): CollectionSpec {
  const path = objectPath(directory, name);
  try {
    const spec = parseObject(readFileSync(path));
    if (spec.programs[program]) return spec;
  } catch (cause) {
    throw new DatapathError("object_missing", `cannot read ${path}`, { cause });
  }
  throw new DatapathError("object_missing", `${path} holds no program ${program}`);
}

function objectPath(directory: string, name: string): string {
  return join(directory, `${name}.o`);
}
