// Maglev tables: one array of backends per set, in a map of maps. A change of the outer map makes its writer wait for an
// RCU grace period (maybe_wait_bpf_programs, kernel/bpf/syscall.c), so an array is put there once per set, many sets at
// a time, and rewritten in place from then on: each of its entries is a whole decision.
import { BPF_F_MMAPABLE, BpfMap, codecs, decode, encode, isBpfError } from "@tsilium/ebpf";
import type { MapSpec } from "@tsilium/ebpf";
import { MAP_SHARED, mmap, munmap, pageSize, PROT_READ, PROT_WRITE } from "@tsilium/syscall";
import { DatapathError } from "../errors.ts";
import { withExpeditedGracePeriods } from "../programs/grace-period.ts";

/** A set's table: a backend per hash. */
export type MaglevTable = { readonly set: number; readonly backends: Uint32Array };

/** Arrays made before they are handed to the outer map: as many descriptors are open for a moment. */
const arraysAtOnce = 256;

/** Elements of an array lie 8 bytes apart (array_map_alloc rounds up), whatever their size. */
const elementSize = 8;
const wordsPerElement = elementSize / Uint32Array.BYTES_PER_ELEMENT;

/** Gives a map of maps that is yet to be made arrays of this many entries, which the agent can rewrite by mmap. */
export function sizeMaglev({ inner }: MapSpec, entries: number): void {
  if (inner === undefined) return;
  inner.maxEntries = entries;
  inner.flags |= BPF_F_MMAPABLE;
}

/** Sets that have an array. */
export function maglevSets(outer: BpfMap): Set<number> {
  return new Set(Array.from(outer.keys(), (key) => decode(codecs.u32, key)));
}

/**
 * Gives sets that have none their arrays, filled. @throws DatapathError bad_config for tables of another size than the
 * outer map was made for; BpfError E2BIG
 */
export function createMaglev(outer: BpfMap, tables: readonly MaglevTable[]): void {
  for (let start = 0; start < tables.length; start += arraysAtOnce)
    createSome(outer, tables.slice(start, start + arraysAtOnce));
}

/**
 * Rewrites what differs in a set's array; false when it has none. Needs CAP_SYS_ADMIN, to open maps by number.
 * @throws DatapathError bad_config
 */
export function rewriteMaglev(outer: BpfMap, { set, backends }: MaglevTable): boolean {
  using array = openArray(outer, set);
  if (array === undefined) return false;
  fill(array, backends);
  return true;
}

/** Takes sets' arrays away; fine where there is none. */
export function removeMaglev(outer: BpfMap, sets: readonly number[]): void {
  if (sets.length === 0) return;
  const keys = sets.map((set) => encode(codecs.u32, set));
  withExpeditedGracePeriods(() => outer.batchDelete(keys));
}

/** Backend by hash; undefined when the set has no array. */
export function readMaglev(outer: BpfMap, set: number): Uint32Array | undefined {
  using array = openArray(outer, set);
  return array && Uint32Array.from(array.entries(), ([, value]) => decode(codecs.u32, value));
}

function createSome(outer: BpfMap, tables: readonly MaglevTable[]): void {
  using made = new DisposableStack();
  const entries = tables.map(({ set, backends }) => {
    const array = made.use(
      BpfMap.create({
        name: "tsi_lb_maglev_s",
        type: "array",
        keySize: 4,
        valueSize: 4,
        maxEntries: backends.length,
        flags: BPF_F_MMAPABLE,
      }),
    );
    fill(array, backends);
    return [encode(codecs.u32, set), encode(codecs.u32, array.fd)] as const;
  });
  orMisfit(() => withExpeditedGracePeriods(() => outer.batchUpdate(entries)), tables[0]);
}

/** The kernel compares a new array with the one that the outer map was made with. */
function orMisfit(action: () => void, table: MaglevTable | undefined): void {
  try {
    action();
  } catch (cause) {
    if (!isBpfError(cause, "EINVAL")) throw cause;
    throw misfit(table?.backends.length ?? 0, { cause });
  }
}

function misfit(entries: number, options?: { cause: unknown }): DatapathError {
  const message = `a table of ${entries} entries, where tsi_lb_maglev was made for another bpf-lb-maglev-table-size`;
  return new DatapathError("bad_config", message, options);
}

function openArray(outer: BpfMap, set: number): BpfMap | undefined {
  const id = outer.lookup(encode(codecs.u32, set));
  return id && BpfMap.fromId(decode(codecs.u32, id));
}

function fill(array: BpfMap, backends: Uint32Array): void {
  if (array.maxEntries !== backends.length) throw misfit(backends.length);
  const length = Math.ceil((array.maxEntries * elementSize) / pageSize) * pageSize;
  const protection = PROT_READ | PROT_WRITE;
  const mapping = mmap({ fd: array.fd, length, protection, flags: MAP_SHARED });
  try {
    const words = new Uint32Array(mapping.buffer);
    // Word by word, since programs read meanwhile: an aligned store is never seen half done.
    backends.forEach((backend, index) => {
      const at = index * wordsPerElement;
      if (words[at] !== backend) words[at] = backend;
    });
  } finally {
    munmap(mapping);
  }
}
