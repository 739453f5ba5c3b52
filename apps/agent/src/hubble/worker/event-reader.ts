// Looks into the kernel's rings again and again, and makes flows of what is there. Nobody wakes it; a turn is bounded, and
// when there is more, others have their turn first.
import { eventKind, type EventRings, headerLayout, translationPoint } from "@tsilium/datapath";
import type { EventClass } from "@tsilium/datapath/model.ts";
import { activePollMs, nextPollMs, type RingMemory } from "@tsilium/ebpf";
import type { BootClock, FlowDecoder } from "@tsilium/hubble/decode/index.ts";
import type { Flow } from "@tsilium/hubble/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { KernelLosses } from "./kernel-losses.ts";
import { RecordBatch } from "./record-batch.ts";

export type EventReaderOptions = {
  readonly rings: EventRings;
  readonly decoder: FlowDecoder;
  readonly clock: BootClock;
  readonly losses: KernelLosses;
  /** Records of a turn. */
  readonly limit: number;
  /** Called before each turn. */
  readonly beforeTurn: () => void;
  /** Flows of a turn in order of time, not numbered yet. The array is the callee's. */
  readonly onFlows: (flows: Flow[]) => void;
  /** Records of a turn, while `isMonitored`. */
  readonly onRecords: (batch: RecordBatch) => void;
  readonly log: Logger;
};

export class EventReader implements Disposable {
  /** Whether records are handed on as well. */
  isMonitored = false;
  readonly #options: EventReaderOptions;
  #flows: Flow[] = [];
  #batch = new RecordBatch();
  #waitMs = activePollMs;
  #unreadable = 0;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;

  constructor(options: EventReaderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#immediate = setImmediate(() => this.#turn());
  }

  /** Records that could not be read although they should. */
  get unreadable(): number {
    return this.#unreadable;
  }

  /** Adds a flow that is not the kernel's; it goes out with the next turn. */
  add(make: (out: Flow[]) => void): void {
    make(this.#flows);
  }

  /** No more turns but one: what is there now is read. */
  finish(): void {
    this[Symbol.dispose]();
    this.#read();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
  }

  #turn(): void {
    const { limit } = this.#options;
    const records = this.#read();
    this.#waitMs = nextPollMs(this.#waitMs, records);
    if (records >= limit) this.#immediate = setImmediate(() => this.#turn());
    else this.#timer = setTimeout(() => this.#turn(), this.#waitMs);
  }

  #read(): number {
    const { rings, decoder, clock, limit, beforeTurn, onFlows, onRecords } = this.#options;
    beforeTurn();
    clock.measure();
    const records = rings.drain(this.#take, limit);
    decoder.release(this.#flows);
    const flows = this.#flows;
    this.#flows = [];
    if (flows.length > 0) onFlows(inOrderOfTime(flows));
    if (this.#batch.size > 0) {
      onRecords(this.#batch);
      this.#batch = new RecordBatch();
    }
    return records;
  }

  readonly #take = (memory: RingMemory, at: number, length: number): void => {
    const { decoder, losses, log } = this.#options;
    if (!losses.hasBegun) beginLosses(losses, memory.view, at);
    try {
      decoder.decode(memory, at, length, this.#flows);
    } catch (error) {
      // A record that nobody can read must not lie in the ring for ever.
      if (this.#unreadable++ === 0) log.error({ error }, "an event of the kernel cannot be read");
    }
    if (this.isMonitored) this.#batch.add(memory.bytes.subarray(at, at + length));
  };
}

function beginLosses(losses: KernelLosses, view: DataView, at: number): void {
  const kind = view.getUint8(at + headerLayout.kind);
  const isRefused = view.getUint8(at + headerLayout.code) === translationPoint.refused;
  const isTrace = kind === eventKind.trace || (kind === eventKind.translation && !isRefused);
  const eventClass: EventClass = isTrace ? "traces" : "verdicts";
  const cpu = view.getUint16(at + headerLayout.cpu, true);
  losses.begin(eventClass, cpu, view.getBigUint64(at + headerLayout.lost, true));
}

/** Events of several CPUs, and those that had to wait, are hardly ever out of order. */
function inOrderOfTime(flows: Flow[]): Flow[] {
  for (let at = 1; at < flows.length; at++)
    if ((flows[at] as Flow).timeNs < (flows[at - 1] as Flow).timeNs)
      return flows.sort((a, b) => (a.timeNs < b.timeNs ? -1 : Number(a.timeNs > b.timeNs)));
  return flows;
}
