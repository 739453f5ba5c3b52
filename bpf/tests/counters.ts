// tsi_metrics before and after a packet.
import type { BpfMap } from "@tsilium/ebpf";

/** Packets by metrics key (reason | direction << 8), summed over CPUs. */
export type Reading = ReadonlyMap<number, bigint>;

export class Counters {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  read(): Reading {
    const reading = new Map<number, bigint>();
    for (const [key, values] of this.#map.entries()) {
      const packets = sumOfPackets(values);
      if (packets > 0n)
        reading.set(new DataView(key.buffer, key.byteOffset).getUint32(0, true), packets);
    }
    return reading;
  }

  /** The reason of every packet counted since, in ascending order. */
  since(before: Reading): number[] {
    const reasons: number[] = [];
    for (const [key, packets] of this.read())
      for (let more = packets - (before.get(key) ?? 0n); more > 0n; more--)
        reasons.push(key & 0xff);
    return reasons.sort((x, y) => x - y);
  }
}

/** One struct metrics_value per possible CPU, 16 bytes each. */
function sumOfPackets(values: Uint8Array): bigint {
  const view = new DataView(values.buffer, values.byteOffset, values.byteLength);
  let packets = 0n;
  for (let at = 0; at < values.byteLength; at += 16) packets += view.getBigUint64(at, true);
  return packets;
}
