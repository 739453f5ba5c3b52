// Events carry CLOCK_BOOTTIME, flows UNIX time: the difference is measured again and again, since NTP steps and slews the one
// and not the other.

export type ClockSources = {
  /** CLOCK_BOOTTIME, nanoseconds. */
  readonly boottimeNs: () => bigint;
  /** CLOCK_REALTIME, nanoseconds. */
  readonly unixNs: () => bigint;
};

/** What a measurement may be off by: less is no step, and is left alone, lest times go back and forth. */
const toleranceNs = 20_000n;
const mostTries = 5;

export class BootClock {
  readonly #sources: ClockSources;
  #offsetNs: bigint;

  constructor(sources: ClockSources) {
    this.#sources = sources;
    this.#offsetNs = this.#measured();
  }

  /** To be called once per round of reading events; costs three readings of clocks, mostly. */
  measure(): void {
    const offsetNs = this.#measured();
    const change = offsetNs - this.#offsetNs;
    if (change > toleranceNs || change < -toleranceNs) this.#offsetNs = offsetNs;
  }

  /** UNIX time, nanoseconds, of a time of CLOCK_BOOTTIME. */
  unixNs(boottimeNs: bigint): bigint {
    return boottimeNs + this.#offsetNs;
  }

  /** UNIX time now, nanoseconds. */
  nowNs(): bigint {
    return this.#sources.unixNs();
  }

  /** Others may have had the CPU between two readings: the closest of some counts. */
  #measured(): bigint {
    let best = this.#reading();
    for (let tries = 1; tries < mostTries && best.widthNs > toleranceNs; tries++) {
      const next = this.#reading();
      if (next.widthNs < best.widthNs) best = next;
    }
    return best.offsetNs;
  }

  #reading(): { readonly offsetNs: bigint; readonly widthNs: bigint } {
    const before = this.#sources.boottimeNs();
    const unix = this.#sources.unixNs();
    const after = this.#sources.boottimeNs();
    return { offsetNs: unix - (before + after) / 2n, widthNs: after - before };
  }
}
