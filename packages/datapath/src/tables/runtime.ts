// What user space changes while programs run: the policy epoch, and what events are asked for. The map is mapped into
// memory, since several threads of the agent move the epoch: read, add one and write back would lose a move.
import type { BpfMap } from "@tsilium/ebpf";
import { MAP_SHARED, mmap, munmap, pageSize, PROT_READ, PROT_WRITE } from "@tsilium/syscall";
import type { Mapping } from "@tsilium/syscall";
import { traceLevel } from "../gen/abi.ts";
import type { TraceLevel } from "../model.ts";

/** Fields of struct runtime (bpf/maps/runtime.h), as places in an array of __u32. */
const field = { epoch: 0, trace: 1, verdicts: 2, proxies: 3 } as const;
const fields = 4;

export class RuntimeSwitch implements Disposable {
  readonly #mapping: Mapping;
  readonly #words: Uint32Array;

  /** @throws SyscallError for a map that cannot be mapped; the map may be closed afterwards */
  constructor(map: BpfMap) {
    this.#mapping = mmap({
      fd: map.fd,
      length: pageSize,
      protection: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED,
    });
    this.#words = new Uint32Array(this.#mapping.buffer, 0, fields);
  }

  /**
   * Moves the epoch: every connection's remembered verdict is decided again by its next packet. To be called after all
   * writes that it is about (design decision 5). Wraps after 2^32. Any number of threads may.
   */
  bumpEpoch(): void {
    Atomics.add(this.#words, field.epoch, 1);
  }

  /** Which forwarded packets make events. */
  setTrace(level: TraceLevel): void {
    Atomics.store(this.#words, field.trace, traceLevel[level]);
  }

  /** Whether verdicts that allow make events. */
  setVerdicts(on: boolean): void {
    Atomics.store(this.#words, field.verdicts, on ? 1 : 0);
  }

  /** Whether proxies run, whose answers are to be looked for. */
  setProxies(on: boolean): void {
    Atomics.store(this.#words, field.proxies, on ? 1 : 0);
  }

  get epoch(): number {
    return Atomics.load(this.#words, field.epoch);
  }

  /** The mapping goes; no other method may be called afterwards. */
  [Symbol.dispose](): void {
    munmap(this.#mapping);
  }
}
