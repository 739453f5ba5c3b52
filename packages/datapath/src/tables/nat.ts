// Address translations of both families. A mapping is two entries, forward and reverse, that live and die together; an
// answer is an entry by itself.
import { decode, encode } from "@tsilium/ebpf";
import type { BpfMap, Codec } from "@tsilium/ebpf";
import { clockMonotonicNs } from "@tsilium/syscall";
import { fromIpv4Number, fromMappedBytes } from "./address-key.ts";
import { anyAddress } from "./any-address.ts";
import { natDirection, natEntry4, natEntry6, natFlags, natKey4, natKey6 } from "../gen/abi.ts";
import type { NatEntry4, NatEntry6, NatKey4, NatKey6 } from "../gen/abi.ts";
import type { NatEntry } from "../model.ts";
import { addResults, sweepMap } from "./sweep.ts";
import type { SweepResult } from "./sweep.ts";

type Family<Key, Row> = {
  readonly map: BpfMap;
  readonly key: Codec<Key>;
  readonly row: Codec<Row>;
  /** undefined: the entry is one by itself. */
  readonly partner: (key: Key, row: Row) => Key | undefined;
  readonly describe: (key: Key, row: Row) => NatEntry;
};

export class Nat {
  readonly #ipv4: Family<NatKey4, NatEntry4>;
  readonly #ipv6: Family<NatKey6, NatEntry6>;

  constructor(maps: { readonly ipv4: BpfMap; readonly ipv6: BpfMap }) {
    this.#ipv4 = {
      map: maps.ipv4,
      key: natKey4,
      row: natEntry4,
      partner: partnerKey,
      describe: describe4,
    };
    this.#ipv6 = {
      map: maps.ipv6,
      key: natKey6,
      row: natEntry6,
      partner: partnerKey,
      describe: describe6,
    };
  }

  /** Every entry, each direction of a mapping by itself. */
  list(): NatEntry[] {
    return [...listFamily(this.#ipv4), ...listFamily(this.#ipv6)];
  }

  /**
   * Removes mappings that are over: both directions expired, or both closed and one expired, or one expired that was
   * reset. An entry whose other half the LRU has evicted goes when it expires.
   * @param nowNs CLOCK_MONOTONIC, the clock that programs write deadlines by.
   */
  async sweep(nowNs: bigint = clockMonotonicNs(), signal?: AbortSignal): Promise<SweepResult> {
    const ipv4 = await sweepFamily(this.#ipv4, nowNs, signal);
    return addResults(ipv4, await sweepFamily(this.#ipv6, nowNs, signal));
  }
}

/** The parts of a translation that decide whether it is over. */
type Lifetime = { readonly expiresNs: bigint; readonly flags: number };

/** Whether an entry can go, given the other half of its mapping (undefined: evicted). */
export function isNatOver(entry: Lifetime, partner: Lifetime | undefined, nowNs: bigint): boolean {
  const expired = entry.expiresNs <= nowNs;
  if (partner === undefined) return expired;
  const partnerExpired = partner.expiresNs <= nowNs;
  if (expired && partnerExpired) return true;
  const bothClosed = (entry.flags & partner.flags & natFlags.closed) !== 0;
  if (bothClosed && (expired || partnerExpired)) return true;
  // Nothing answers a reset: the other direction hears of the end by it alone.
  const wasReset = (row: Lifetime) => (row.flags & natFlags.reset) !== 0;
  return (expired && wasReset(entry)) || (partnerExpired && wasReset(partner));
}

/** What the keys of both families have in common; `End` is how an address is held. */
type AnyKey<End> = {
  readonly source: End;
  readonly destination: End;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly protocol: number;
  readonly direction: number;
};

/**
 * The key of the other half. A forward entry matches what the sender wrote and holds the new source; its reply comes
 * from the old destination to that new source. The same exchange leads back.
 */
export function partnerKey<End>(
  key: AnyKey<End>,
  row: { readonly address: End; readonly port: number },
): AnyKey<End> | undefined {
  if (key.direction === natDirection.answer) return undefined;
  if (key.direction === natDirection.forward) {
    return {
      ...key,
      source: key.destination,
      destination: row.address,
      sourcePort: key.destinationPort,
      destinationPort: row.port,
      direction: natDirection.reverse,
    };
  }
  return {
    ...key,
    source: row.address,
    destination: key.source,
    sourcePort: row.port,
    destinationPort: key.sourcePort,
    direction: natDirection.forward,
  };
}

async function sweepFamily<Key, Row extends Lifetime>(
  family: Family<Key, Row>,
  nowNs: bigint,
  signal: AbortSignal | undefined,
): Promise<SweepResult> {
  const { map, key: keyCodec, row: rowCodec } = family;
  // Most are, and are not looked at any further.
  const isAlive = (row: Lifetime) => row.expiresNs > nowNs && (row.flags & natFlags.closed) === 0;
  const left: Uint8Array[] = [];
  const isOver = (key: Uint8Array, value: Uint8Array): boolean => {
    const row = decode(rowCodec, value);
    if (isAlive(row)) return false;
    const partner = family.partner(decode(keyCodec, key), row);
    const partnerBytes = partner && encode(keyCodec, partner);
    const found = partnerBytes && map.lookup(partnerBytes);
    const other = found && decode(rowCodec, found);
    const over = isNatOver(row, other, nowNs);
    if (over && other && isAlive(other)) left.push(partnerBytes);
    return over;
  };
  const { deleted, alive } = await sweepMap(map, isOver, signal);
  const more = left.filter((key) => map.delete(key)).length;
  return { deleted: deleted + more, alive: alive - more };
}

function listFamily<Key, Row>(family: Family<Key, Row>): NatEntry[] {
  return Array.from(family.map.entries(), ([key, value]) =>
    family.describe(decode(family.key, key), decode(family.row, value)),
  );
}

function describe4(key: NatKey4, row: NatEntry4): NatEntry {
  return {
    ...commonParts(key, row),
    source: fromIpv4Number(key.source) ?? anyAddress[4],
    destination: fromIpv4Number(key.destination) ?? anyAddress[4],
    translated: fromIpv4Number(row.address) ?? anyAddress[4],
  };
}

function describe6(key: NatKey6, row: NatEntry6): NatEntry {
  return {
    ...commonParts(key, row),
    source: fromMappedBytes(key.source) ?? anyAddress[6],
    destination: fromMappedBytes(key.destination) ?? anyAddress[6],
    translated: fromMappedBytes(row.address) ?? anyAddress[6],
  };
}

const directions: ReadonlyMap<number, NatEntry["direction"]> = new Map([
  [natDirection.forward, "forward"],
  [natDirection.reverse, "reverse"],
  [natDirection.answer, "answer"],
]);

function commonParts(key: NatKey4 | NatKey6, row: NatEntry4 | NatEntry6) {
  return {
    direction: directions.get(key.direction) ?? "reverse",
    protocol: key.protocol,
    sourcePort: key.sourcePort,
    destinationPort: key.destinationPort,
    translatedPort: row.port,
    expiresNs: row.expiresNs,
    ofHost: (row.flags & natFlags.host) !== 0,
    frontend: row.frontend,
  };
}
