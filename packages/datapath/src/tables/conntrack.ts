// Tracked connections of both families: listing, and removal of those that are over.
import { decode } from "@tsilium/ebpf";
import type { BpfMap, Codec } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { clockMonotonicNs } from "@tsilium/syscall";
import { fromIpv4Number, fromMappedBytes } from "./address-key.ts";
import { conntrackEntry, conntrackFlags, conntrackKey4, conntrackKey6 } from "../gen/abi.ts";
import type { ConntrackEntry as ConntrackRow, ConntrackKey4, ConntrackKey6 } from "../gen/abi.ts";
import { anyAddress } from "./any-address.ts";
import type { ConntrackEntry } from "../model.ts";
import { addResults, sweepMap } from "./sweep.ts";
import type { SweepResult } from "./sweep.ts";

/** The ends of a connection in the key's order: low before high. */
type Ends = {
  readonly low: Address;
  readonly high: Address;
  readonly lowPort: number;
  readonly highPort: number;
  readonly protocol: number;
};

/** One table: of one family, of established connections or of young ones. */
type Table = { readonly map: BpfMap; readonly ends: (key: Uint8Array) => Ends };

export class Conntrack {
  readonly #tables: readonly Table[];

  constructor(maps: { readonly ipv4: readonly BpfMap[]; readonly ipv6: readonly BpfMap[] }) {
    const ofFamily4 = endsReader(conntrackKey4, ends4);
    const ofFamily6 = endsReader(conntrackKey6, ends6);
    this.#tables = [
      ...maps.ipv4.map((map) => ({ map, ends: ofFamily4 })),
      ...maps.ipv6.map((map) => ({ map, ends: ofFamily6 })),
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
