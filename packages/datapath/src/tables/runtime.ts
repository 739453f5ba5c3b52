// What user space changes while programs run: the policy epoch and the trace switch.
import type { TypedMap } from "@tsilium/ebpf";
import type { Runtime } from "../gen/abi.ts";

const onlySlot = 0;

export class RuntimeSwitch {
  readonly #map: TypedMap<number, Runtime>;

  constructor(map: TypedMap<number, Runtime>) {
    this.#map = map;
  }

  /**
   * Moves the epoch: every connection's remembered verdict is decided again by its next packet. To be called after all
   * writes that it is about (design decision 5). Wraps after 2^32.
   */
  bumpEpoch(): void {
    const current = this.#read();
    this.#map.update(onlySlot, { ...current, epoch: (current.epoch + 1) >>> 0 });
  }

  /** Whether forwarded packets make events. */
  setTrace(on: boolean): void {
    this.#map.update(onlySlot, { ...this.#read(), trace: on ? 1 : 0 });
  }

  get epoch(): number {
    return this.#read().epoch;
  }

  #read(): Runtime {
    return this.#map.lookup(onlySlot) ?? { epoch: 0, trace: 0 };
  }
}
