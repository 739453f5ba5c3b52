// A packet table: a row is a sentence, packets that came before, a packet, and what must become of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PacketBuilder } from "@tsilium/net";
import { type Attempt, describe, type Hook, type TestNode, type Tunnelled } from "./node.ts";
import type { Family } from "./world.ts";

export type PacketLike = PacketBuilder | Uint8Array;

/** One packet on its way, for `before`: it must be forwarded. */
export type Step = {
  readonly hook: Hook;
  readonly packet: PacketLike;
  readonly tunnel?: Tunnelled;
  readonly pod?: "a" | "b";
};

export type Row = {
  readonly sentence: string;
  readonly hook: Hook;
  readonly pod?: "a" | "b";
  readonly before?: readonly Step[];
  readonly packet: PacketLike;
  readonly tunnel?: Tunnelled;
  readonly gsoSize?: number;
  /** In the words of `verdictOf` (node.ts). */
  readonly verdict: string;
  /**
   * The packet afterwards; left out: as it was, or, when dropped, no matter. Given as bytes, it is compared byte by byte:
   * of a fragment nobody can tell whether its checksum is right.
   */
  readonly out?: PacketLike;
};

/** The same row for IPv4 and IPv6. */
export function both(row: (family: Family) => Omit<Row, "sentence"> & { sentence: string }): Row[] {
  return ([4, 6] as const).map((family) => {
    const { sentence, ...rest } = row(family);
    return { sentence: `IPv${family}: ${sentence}`, ...rest };
  });
}

/** A test per row, each on a node that has seen no flow. */
export function table(node: () => TestNode, rows: readonly Row[]): void {
  for (const row of rows) test(row.sentence, () => checkRow(node(), row));
}

function checkRow(node: TestNode, row: Row): void {
  node.reset();
  for (const step of row.before ?? []) {
    const { verdict } = node.try(attempt(step));
    assert.match(verdict, /^(redirect|pass|untouched)$/, "a packet before the row's");
  }
  const packet = toBytes(row.packet);
  const got = node.try(attempt(row));
  const out = row.out ?? (row.verdict.startsWith("drop") ? undefined : packet);
  assert.equal(
    out === undefined ? got.verdict : `${got.verdict}\n${got.packet}`,
    out === undefined ? row.verdict : `${row.verdict}\n${describe(toBytes(out))}`,
  );
  if (out instanceof Uint8Array) assert.equal(hex(got.bytes), hex(out));
}

function attempt(step: Step & { readonly gsoSize?: number }): Attempt {
  const { hook, tunnel, pod, gsoSize } = step;
  return {
    hook,
    packet: toBytes(step.packet),
    ...(pod ? { pod } : {}),
    ...(tunnel ? { tunnel } : {}),
    ...(gsoSize === undefined ? {} : { gsoSize }),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function toBytes(packet: PacketLike): Uint8Array {
  return packet instanceof Uint8Array ? packet : packet.bytes();
}
