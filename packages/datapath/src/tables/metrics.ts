// Counters of forwarded and dropped packets, summed over CPUs.
import { codecs, decode, splitPerCpu } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { reasonText } from "./drop-reasons.ts";
import { direction as directions, metricsValue } from "../gen/abi.ts";
import type { MetricsEntry } from "../model.ts";

/** Reads the metrics map: every (reason, direction) that has counted anything, in that order. */
export class Metrics {
  readonly #map: BpfMap;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** @throws BpfError */
  list(): MetricsEntry[] {
    const entries = Array.from(this.#map.entries()).flatMap(([key, stored]) => {
      const slot = decode(codecs.u32, key);
      const { packets, bytes } = sum(splitPerCpu(stored, this.#map.valueSize));
      return packets === 0n ? [] : [{ ...describeSlot(slot), packets, bytes }];
    });
    return entries.sort((a, b) => a.reason - b.reason || a.direction.localeCompare(b.direction));
  }
}

/** A slot is reason | direction << 8 (bpf/maps/metrics.h). */
function describeSlot(slot: number): Pick<MetricsEntry, "reason" | "reasonText" | "direction"> {
  const reason = slot & 0xff;
  return {
    reason,
    reasonText: reasonText(reason),
    direction: slot >> 8 === directions.egress ? "egress" : "ingress",
  };
}

function sum(perCpu: readonly Uint8Array[]): { packets: bigint; bytes: bigint } {
  let packets = 0n;
  let bytes = 0n;
  for (const stored of perCpu) {
    const value = decode(metricsValue, stored);
    packets += value.packets;
    bytes += value.bytes;
  }
  return { packets, bytes };
}
