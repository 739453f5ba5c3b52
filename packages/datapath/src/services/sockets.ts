// What sockets were told at connect() and sendmsg(): the backend in a frontend's place, and back.
import { decode, encode } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { socketFlow, socketFlowKey, socketFlowKind } from "../gen/abi.ts";
import { mappedBytes } from "../tables/address-key.ts";
import { sweepMap } from "../tables/sweep.ts";
import type { SweepResult } from "../tables/sweep.ts";

export class SocketFlows {
  readonly #map: BpfMap;
  readonly #hasBackend: (id: number) => boolean;

  constructor(map: BpfMap, hasBackend: (id: number) => boolean) {
    this.#map = map;
    this.#hasBackend = hasBackend;
  }

  /** Whether a socket (SO_COOKIE) was given this backend in a frontend's place. */
  has(cookie: bigint, address: Address, port: number): boolean {
    const key = { cookie, address: mappedBytes(address), port, kind: socketFlowKind.back };
    return this.#map.lookup(encode(socketFlowKey, key)) !== undefined;
  }

  /** Removes those of backends that are gone. A socket that is still open to one sees the backend's address. */
  sweep(signal?: AbortSignal): Promise<SweepResult> {
    const isOver = (_: Uint8Array, value: Uint8Array): boolean =>
      !this.#hasBackend(decode(socketFlow, value).backend);
    return sweepMap(this.#map, isOver, signal);
  }
}
