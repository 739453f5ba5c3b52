// What programs tell of packets that go on: as much as Hubble wants, and as long as somebody listens, as much as they want.
import type { TraceLevel } from "@tsilium/datapath/model.ts";

/** A part of the datapath. */
export type Switchable = {
  setTrace(level: TraceLevel): void;
  setVerdicts(on: boolean): void;
};

export type EventWish = {
  readonly trace: TraceLevel;
  /** Verdicts that allow, at the first packet of a flow. */
  readonly verdicts: boolean;
};

/** Least first. */
const levels: readonly TraceLevel[] = ["off", "connections", "sent", "all"];

export class EventSwitch {
  readonly #datapath: Switchable;
  readonly #wishes = new Set<EventWish>();
  #now: EventWish | undefined;

  /** Sets programs to `lasting`, which holds for good. */
  constructor(datapath: Switchable, lasting: EventWish) {
    this.#datapath = datapath;
    this.want(lasting);
  }

  /** Until disposed of. */
  want(wish: EventWish): Disposable {
    const own = { ...wish };
    this.#wishes.add(own);
    this.#apply();
    return {
      [Symbol.dispose]: () => {
        this.#wishes.delete(own);
        this.#apply();
      },
    };
  }

  #apply(): void {
    const before = this.#now;
    const wishes = [...this.#wishes];
    const now = {
      trace: wishes.reduce<TraceLevel>((most, { trace }) => higher(most, trace), "off"),
      verdicts: wishes.some(({ verdicts }) => verdicts),
    };
    this.#now = now;
    if (before?.trace !== now.trace) this.#datapath.setTrace(now.trace);
    if (before?.verdicts !== now.verdicts) this.#datapath.setVerdicts(now.verdicts);
  }
}

function higher(a: TraceLevel, b: TraceLevel): TraceLevel {
  return levels.indexOf(a) >= levels.indexOf(b) ? a : b;
}
