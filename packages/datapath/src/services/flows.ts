// Flows that are balanced per packet, and the backend that each has.
import { decode } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { clockMonotonicNs } from "@tsilium/syscall";
import { serviceFlow, serviceFlowKey } from "../gen/abi.ts";
import type { ServiceFlow } from "../model.ts";
import { fromMappedBytes } from "../tables/address-key.ts";
import { anyAddress } from "../tables/any-address.ts";
import { sweepMap } from "../tables/sweep.ts";
import type { SweepResult } from "../tables/sweep.ts";

export class ServiceFlows {
  readonly #map: BpfMap;
  readonly #hasBackend: (id: number) => boolean;

  constructor(map: BpfMap, hasBackend: (id: number) => boolean) {
    this.#map = map;
    this.#hasBackend = hasBackend;
  }

  /** Every flow, expired ones too. */
  list(): ServiceFlow[] {
    return listServiceFlows(this.#map);
  }

  /**
   * Removes flows whose deadline has passed, and those whose backend is gone: they are balanced anew anyway.
   * @param nowNs CLOCK_MONOTONIC, the clock that programs write deadlines by.
   */
  sweep(nowNs: bigint = clockMonotonicNs(), signal?: AbortSignal): Promise<SweepResult> {
    const isOver = (_: Uint8Array, value: Uint8Array): boolean => {
      const { expiresNs, backend } = decode(serviceFlow, value);
      return expiresNs <= nowNs || !this.#hasBackend(backend);
    };
    return sweepMap(this.#map, isOver, signal);
  }
}

/** Every entry of tsi_lb_flow. */
export function listServiceFlows(map: BpfMap): ServiceFlow[] {
  return Array.from(map.entries(), ([keyBytes, valueBytes]) => {
    const key = decode(serviceFlowKey, keyBytes);
    const { backend, expiresNs } = decode(serviceFlow, valueBytes);
    return {
      protocol: key.protocol,
      client: fromMappedBytes(key.client) ?? anyAddress[6],
      clientPort: key.clientPort,
      frontend: fromMappedBytes(key.frontend) ?? anyAddress[6],
      frontendPort: key.frontendPort,
      backend,
      expiresNs,
    };
  });
}
