// The shape of a map as the kernel fixes it at creation: type, size and every field of key and value. Its hash is in
// the pin's name; two shapes yield the plan by which entries move from the one to the other, field by field.
import { createHash } from "node:crypto";

/** One scalar or byte array inside a key or value; `path` is dotted: `tuple.source_port`. */
export type Leaf = { readonly path: string; readonly offset: number; readonly size: number };

/** A key or a value: its size in bytes and what lies in it, in order of offset. */
export type RecordLayout = { readonly size: number; readonly leaves: readonly Leaf[] };

export type MapLayout = {
  /** The kind of map: "lru_hash". */
  readonly type: string;
  readonly maxEntries: number;
  /** BPF_F_* given at creation. */
  readonly flags: number;
  readonly key: RecordLayout;
  readonly value: RecordLayout;
  /** Of a map of maps: what its maps are made like. */
  readonly inner?: InnerLayout | undefined;
};

export type InnerLayout = Pick<MapLayout, "type" | "maxEntries" | "flags"> & {
  /** Bytes. */
  readonly keySize: number;
  readonly valueSize: number;
};

/** Eight hex digits that change whenever anything does that would make a pinned map unfit for the programs. */
export function layoutHash(layout: MapLayout): string {
  const text = [
    `type ${layout.type} max ${layout.maxEntries} flags ${layout.flags}`,
    `key ${describe(layout.key)}`,
    `value ${describe(layout.value)}`,
    ...(layout.inner ? [`inner ${describeInner(layout.inner)}`] : []),
  ].join("\n");
  return createHash("sha256").update(text).digest("hex").slice(0, 8);
}

function describeInner({ type, maxEntries, flags, keySize, valueSize }: InnerLayout): string {
  return `${type} max ${maxEntries} flags ${flags} key ${keySize} value ${valueSize}`;
}

function describe(record: RecordLayout): string {
  const leaves = record.leaves.map((leaf) => `${leaf.path}@${leaf.offset}+${leaf.size}`);
  return `${record.size} ${leaves.join(" ")}`;
}

/** Byte ranges to copy, and the size of the record they are copied into (zero elsewhere). */
export type CopyPlan = {
  readonly size: number;
  readonly copies: readonly { readonly from: number; readonly to: number; readonly size: number }[];
};

/**
 * How a record of the old layout becomes one of the new: fields that kept their name move, also when they changed
 * their place or width (integers are little-endian here, so the common low bytes are the value); new fields are zero;
 * fields that are gone are dropped. Records without field information move only if their sizes agree, as they are.
 * Returns undefined when nothing could be kept.
 */
export function planCopy(from: RecordLayout, to: RecordLayout): CopyPlan | undefined {
  if (from.leaves.length === 0 || to.leaves.length === 0) {
    if (from.size !== to.size) return undefined;
    return { size: to.size, copies: [{ from: 0, to: 0, size: to.size }] };
  }
  const sources = new Map(from.leaves.map((leaf) => [leaf.path, leaf]));
  const copies = to.leaves.flatMap((leaf) => {
    const source = sources.get(leaf.path);
    if (source === undefined) return [];
    return [{ from: source.offset, to: leaf.offset, size: Math.min(source.size, leaf.size) }];
  });
  return copies.length === 0 ? undefined : { size: to.size, copies };
}

/** Whether the plan changes nothing. */
export function isIdentity(plan: CopyPlan, oldSize: number): boolean {
  const moved = plan.copies.filter(({ from, to }) => from === to);
  const copied = moved.reduce((sum, { size }) => sum + size, 0);
  return moved.length === plan.copies.length && copied === plan.size && plan.size === oldSize;
}

/** A new record made from an old one by the plan. */
export function applyCopy(plan: CopyPlan, old: Uint8Array): Uint8Array {
  const record = new Uint8Array(plan.size);
  for (const { from, to, size } of plan.copies) record.set(old.subarray(from, from + size), to);
  return record;
}
