// Tracked connections of both families: listing, and removal of those that are over.
import { setImmediate as nextTurn } from "node:timers/promises";
import { decode } from "@tsilium/ebpf";
import type { BpfMap, Codec } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { clockMonotonicNs } from "@tsilium/syscall";
import { fromIpv4Number, fromMappedBytes } from "./address-key.ts";
import { conntrackEntry, conntrackFlags, conntrackKey4, conntrackKey6 } from "../gen/abi.ts";
import type { ConntrackEntry as ConntrackRow, ConntrackKey4, ConntrackKey6 } from "../gen/abi.ts";
import { anyAddress } from "./any-address.ts";
import type { ConntrackEntry } from "../model.ts";
import { addResults, sliceEntries, sweepMap } from "./sweep.ts";
import type { SweepResult } from "./sweep.ts";

/** The ends of a connection in the key's order: low before high. */
type Ends = {
  readonly low: Address;
  readonly high: Address;
  readonly lowPort: number;
  readonly highPort: number;
  readonly protocol: number;
  /** enum conntrack_part. */
  readonly part: number;
};

const parts: readonly ConntrackEntry["part"][] = ["client", "egress-proxy", "ingress-proxy"];

/** One table: of one family, of established connections or of young ones. */
type Table = {
  readonly map: BpfMap;
  readonly ends: (key: Uint8Array) => Ends;
  /** Bytes of an address; a key begins with the low one and the high one. */
  readonly addressBytes: 4 | 16;
};

export class Conntrack {
  readonly #tables: readonly Table[];

  /**
   * @param maps tables of a family: young connections first. An entry goes from there to the other table and never back, so
   * read in this order none is missed; one that goes meanwhile may be read twice.
   */
  constructor(maps: { readonly ipv4: readonly BpfMap[]; readonly ipv6: readonly BpfMap[] }) {
    const ofFamily4 = endsReader(conntrackKey4, ends4);
    const ofFamily6 = endsReader(conntrackKey6, ends6);
    this.#tables = [
      ...maps.ipv4.map((map) => ({ map, ends: ofFamily4, addressBytes: 4 }) as const),
      ...maps.ipv6.map((map) => ({ map, ends: ofFamily6, addressBytes: 16 }) as const),
    ];
  }

  /** Every tracked connection, expired ones too, seen from the side that opened it. */
  list(): ConntrackEntry[] {
    return this.#tables.flatMap(({ map, ends }) =>
      Array.from(map.entries(), ([key, value]) =>
        describe(ends(key), decode(conntrackEntry, value)),
      ),
    );
  }

  /** Clients' connections that a proxy of this node has accepted and that are not over. Reads the whole table, and decodes those alone. */
  listProxied(): ConntrackEntry[] {
    return this.#tables.flatMap(({ map, ends }) => {
      const found: ConntrackEntry[] = [];
      for (const [key, value] of map.entries())
        if (isProxied(value)) found.push(describe(ends(key), decode(conntrackEntry, value)));
      return found;
    });
  }

  /**
   * Those of `wanted` that some connection that is not over was opened to. In slices, and without decoding what is of no
   * interest: a full table takes its time, and the agent has other things to do.
   * @param nowNs CLOCK_MONOTONIC. @throws AbortError when the signal fires between slices
   */
  async destinations(
    wanted: Iterable<Address>,
    nowNs: bigint = clockMonotonicNs(),
    signal?: AbortSignal,
  ): Promise<Set<string>> {
    const texts = new Map(Array.from(wanted, (address) => [latin1(address.bytes), `${address}`]));
    const found = new Set<string>();
    if (texts.size === 0) return found;
    for (const { map, addressBytes } of this.#tables)
      for (const slice of map.batchLookup(sliceEntries)) {
        for (const [key, value] of slice) {
          const text = texts.get(latin1(destinationOf(key, value, addressBytes)));
          if (text !== undefined && deadline(value) > nowNs) found.add(text);
        }
        signal?.throwIfAborted();
        await nextTurn();
      }
    return found;
  }

  /** Removes the connections that have `address` at either end, and answers how many there were. */
  deleteByAddress(address: Address): number {
    let deleted = 0;
    for (const { map, ends } of this.#tables) {
      const keys = Array.from(map.entries(), ([key]) => key).filter((key) => {
        const { low, high } = ends(key);
        return low.equals(address) || high.equals(address);
      });
      if (keys.length > 0) deleted += map.batchDelete(keys);
    }
    return deleted;
  }

  /**
   * Removes the connections whose deadline has passed.
   * @param nowNs CLOCK_MONOTONIC, the clock that programs write deadlines by.
   */
  async sweep(nowNs: bigint = clockMonotonicNs(), signal?: AbortSignal): Promise<SweepResult> {
    let result: SweepResult = { deleted: 0, alive: 0 };
    for (const { map } of this.#tables) {
      const swept = await sweepMap(map, (_, value) => deadline(value) <= nowNs, signal);
      result = addResults(result, swept);
    }
    return result;
  }
}

/** The deadline is the entry's first field: decoding the rest of half a million entries would be waste. */
function deadline(value: Uint8Array): bigint {
  return new DataView(value.buffer, value.byteOffset).getBigUint64(0, true);
}

/** Whom the opening side opened it to. */
function destinationOf(key: Uint8Array, value: Uint8Array, addressBytes: number): Uint8Array {
  const highOpened = (flagsOf(value) & conntrackFlags.originHigh) !== 0;
  return highOpened ? key.subarray(0, addressBytes) : key.subarray(addressBytes, 2 * addressBytes);
}

/** A key for maps. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** Where struct conntrack_entry.flags stands (bpf/maps/conntrack.h). Decoding the rest of half a million entries would be waste. */
const flagsOffset = 28;

function flagsOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint16(flagsOffset, true);
}

function isProxied(value: Uint8Array): boolean {
  const { proxied, originClosed, replyClosed } = conntrackFlags;
  const over = originClosed | replyClosed;
  const flags = flagsOf(value);
  return (flags & proxied) !== 0 && (flags & over) !== over;
}

function describe(ends: Ends, row: ConntrackRow): ConntrackEntry {
  const low = { address: ends.low, port: ends.lowPort };
  const high = { address: ends.high, port: ends.highPort };
  const highOpened = (row.flags & conntrackFlags.originHigh) !== 0;
  const [source, destination] = highOpened ? [high, low] : [low, high];
  return {
    protocol: ends.protocol,
    source: source.address,
    sourcePort: source.port,
    destination: destination.address,
    destinationPort: destination.port,
    expiresNs: row.expiresNs,
    epoch: row.epoch,
    seenReply: (row.flags & conntrackFlags.seenReply) !== 0,
    closing: (row.flags & (conntrackFlags.originClosed | conntrackFlags.replyClosed)) !== 0,
    sourceIdentity: row.originIdentity,
    destinationIdentity: row.replyIdentity,
    frontend: row.frontend,
    proxyPort: row.proxyPort,
    part: parts[ends.part] ?? "client",
  };
}

function endsReader<Key>(codec: Codec<Key>, read: (key: Key) => Ends): (key: Uint8Array) => Ends {
  return (key) => read(decode(codec, key));
}

function ends4(key: ConntrackKey4): Ends {
  return {
    ...key,
    low: fromIpv4Number(key.lowAddress) ?? anyAddress[4],
    high: fromIpv4Number(key.highAddress) ?? anyAddress[4],
  };
}

function ends6(key: ConntrackKey6): Ends {
  return {
    ...key,
    low: fromMappedBytes(key.lowAddress) ?? anyAddress[6],
    high: fromMappedBytes(key.highAddress) ?? anyAddress[6],
  };
}
