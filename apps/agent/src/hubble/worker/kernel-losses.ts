// What the kernel could not tell, as losses to tell of. Its counts run since its maps were made; what was lost while no
// worker read the rings is told by the first that does, as far as it can know of it.
import type { EventClass, EventLosses } from "@tsilium/datapath/model.ts";
import { type LostEvents, LostEventSource } from "@tsilium/hubble/model.ts";

export class KernelLosses {
  readonly #now: () => bigint;
  /** By class and CPU: counts up to which losses were told, or are not this worker's to tell. */
  readonly #told = new Map<string, bigint>();
  #sinceNs: bigint;
  #lost = 0n;
  #sent = 0n;
  #hasBegun = false;

  /** @param now UNIX time, nanoseconds */
  constructor(now: () => bigint) {
    this.#now = now;
    this.#sinceNs = now();
  }

  /** Counts were looked at: `begin` has nothing to add. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** All that the kernel has lost and told since its maps were made. */
  get totals(): { readonly lost: number; readonly sent: number } {
    return { lost: Number(this.#lost), sent: Number(this.#sent) };
  }

  /**
   * To be told of the first record that is read of a class and CPU: what was lost before it was an earlier worker's to
   * tell. @param lost the count that the record carries
   */
  begin(eventClass: EventClass, cpu: number, lost: bigint): void {
    const key = `${eventClass}/${cpu}`;
    if (!this.#told.has(key)) this.#told.set(key, lost);
  }

  /** Losses since the last time, by CPU. @param counts as the kernel has them now */
  take(counts: readonly EventLosses[]): LostEvents[] {
    const nowNs = this.#now();
    this.#hasBegun = true;
    const byCpu = new Map<number, bigint>();
    this.#lost = 0n;
    this.#sent = 0n;
    for (const { class: eventClass, cpu, lost, sent } of counts) {
      this.#lost += lost;
      this.#sent += sent;
      const key = `${eventClass}/${cpu}`;
      const told = this.#told.get(key) ?? lost;
      this.#told.set(key, lost);
      if (lost > told) byCpu.set(cpu, (byCpu.get(cpu) ?? 0n) + lost - told);
    }
    const firstNs = this.#sinceNs;
    this.#sinceNs = nowNs;
    return [...byCpu].map(([cpu, count]) => ({
      source: LostEventSource.perfEventRingBuffer,
      count: Number(count),
      cpu,
      firstNs,
      lastNs: nowNs,
    }));
  }
}
