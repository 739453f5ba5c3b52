// How big the big tables are when nobody said: a share of the machine's memory, within Cilium's own defaults, and
// the pressure at which a table is reported as filling up.
import { totalmem } from "node:os";
import type { DatapathConfig } from "../model.ts";

const mebibyte = 1024 * 1024;

/** Cilium's bpf-map-dynamic-size-ratio: the share of memory that all dynamic tables together may take. */
const defaultMemoryShare = 0.0025;
/** Kernel memory of one LRU entry here: element header, per-CPU list node and a ~40-byte key with a ~64-byte value. */
const bytesPerEntry = 192;
const smallestTable = 16_384;
const largestTable = 512 * 1024;
/** Cilium's bpf-sock-rev-map-max. */
const largestSocketTable = 256 * 1024;

/** Entries of one table of each kind. */
export type TableSizes = {
  readonly conntrackMax: number;
  /** Of connections that are not established yet. */
  readonly youngMax: number;
  readonly natMax: number;
  /** Of the tables of policy classes and rules; undefined: what their header says. */
  readonly policyMax: number | undefined;
  /** Of each table of services that the agent writes; undefined: what their header says. */
  readonly serviceMax: number | undefined;
  /** Of backend sets' slots. */
  readonly serviceSlotMax: number | undefined;
  /** Of flows of services, of clients that stay with their backend, and of sockets that were balanced. */
  readonly serviceFlowMax: number;
  readonly affinityMax: number;
  readonly socketMax: number;
};

/**
 * The sizes of a configuration, from this machine's memory where it says none. Flows of services and sockets are as
 * many as connections of one family, clients that stay with their backend a quarter of them.
 */
export function sizesFor(
  config: DatapathConfig,
  totalMemoryBytes: number = totalmem(),
): TableSizes {
  const fromMemory = tableSizes(totalMemoryBytes);
  const conntrackMax = config.conntrackMax ?? fromMemory.conntrackMax;
  const natMax =
    config.natMax ??
    (config.conntrackMax === undefined ? fromMemory.natMax : natShare(conntrackMax));
  const { mapMax } = config.services;
  return {
    conntrackMax,
    youngMax: youngShare(conntrackMax),
    natMax,
    policyMax: config.policyMax,
    serviceMax: mapMax,
    serviceSlotMax: mapMax === undefined ? undefined : mapMax * slotsPerService,
    serviceFlowMax: Math.min(conntrackMax, largestTable),
    affinityMax: youngShare(conntrackMax),
    socketMax: Math.min(conntrackMax, largestSocketTable),
  };
}

/** Slots are twice as many as other entries: most services have more backends than addresses. */
export const slotsPerService = 2;

/** Cilium's upper bound: translations are at most two thirds of connections. */
function natShare(conntrackMax: number): number {
  return Math.max(1024, Math.floor((conntrackMax * 2) / 3));
}

/**
 * Sizes for a machine with this much memory: conntrack and NAT of both families share `memoryShare` of it, NAT gets
 * two thirds of conntrack (Cilium's upper bound), and neither leaves 16,384..524,288. Multiples of 1024.
 */
export function tableSizes(
  totalMemoryBytes: number,
  memoryShare: number = defaultMemoryShare,
): Pick<TableSizes, "conntrackMax" | "natMax"> {
  const budget = Math.max(totalMemoryBytes, 256 * mebibyte) * memoryShare;
  const families = 2;
  const conntrackMax = clampToTable(budget / bytesPerEntry / families / (1 + 2 / 3));
  return { conntrackMax, natMax: clampToTable((conntrackMax * 2) / 3) };
}

/** Connections on their way to being established: a quarter as many as there may be of those that are. */
export function youngShare(conntrackMax: number): number {
  return Math.max(1024, Math.floor(conntrackMax / 4));
}

function clampToTable(entries: number): number {
  const rounded = Math.floor(entries / 1024) * 1024;
  return Math.min(Math.max(rounded, smallestTable), largestTable);
}

/** From this share of its capacity on, a table that refuses new entries when full is reported as not ok. */
export const pressureAlarm = 0.9;

/** Used share of a table, 0..1. */
export function pressure(entries: number, maxEntries: number): number {
  return maxEntries === 0 ? 0 : entries / maxEntries;
}
