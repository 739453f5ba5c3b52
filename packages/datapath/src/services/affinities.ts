// Clients that stay with their backend (sessionAffinity).
import { decode } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { clockMonotonicNs } from "@tsilium/syscall";
import { affinity, affinityKey, affinityKind } from "../gen/abi.ts";
import type { ServiceAffinity } from "../model.ts";
import { fromMappedBytes } from "../tables/address-key.ts";
import { sweepMap } from "../tables/sweep.ts";
import type { SweepResult } from "../tables/sweep.ts";

/** What decides whether an affinity still holds. */
type Facts = {
  readonly hasBackend: (id: number) => boolean;
  /** Of a set; 0: it has no affinity. */
  readonly timeoutS: (set: number) => number;
};

const nsPerSecond = 1_000_000_000n;

export class Affinities {
  readonly #map: BpfMap;
  readonly #facts: Facts;

  constructor(map: BpfMap, facts: Facts) {
    this.#map = map;
    this.#facts = facts;
  }

  list(): ServiceAffinity[] {
    return listAffinities(this.#map);
  }

  /**
   * Removes those that were not used for their set's timeout, and those whose set has no affinity or whose backend is
   * gone. @param nowNs CLOCK_MONOTONIC, the clock that programs write by.
   */
  sweep(nowNs: bigint = clockMonotonicNs(), signal?: AbortSignal): Promise<SweepResult> {
    const { hasBackend, timeoutS } = this.#facts;
    const isOver = (key: Uint8Array, value: Uint8Array): boolean => {
      const { usedNs, backend } = decode(affinity, value);
      const lifetimeNs = BigInt(timeoutS(decode(affinityKey, key).set)) * nsPerSecond;
      return usedNs + lifetimeNs <= nowNs || !hasBackend(backend);
    };
    return sweepMap(this.#map, isOver, signal);
  }
}

/** Every entry of tsi_lb_affinity, those that are over too. */
export function listAffinities(map: BpfMap): ServiceAffinity[] {
  return Array.from(map.entries(), ([keyBytes, valueBytes]) => {
    const { client, set, kind } = decode(affinityKey, keyBytes);
    const { usedNs, backend } = decode(affinity, valueBytes);
    const byCookie = kind === affinityKind.netns;
    const cookie = new DataView(client.buffer, client.byteOffset).getBigUint64(0, true);
    return {
      client: byCookie ? undefined : fromMappedBytes(client),
      netnsCookie: byCookie ? cookie : undefined,
      set,
      backend,
      usedNs,
    };
  });
}
