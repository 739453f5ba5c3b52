// The two rings that programs tell of packets in, and their counts. A ring takes one reader at a time, on the whole
// machine.
import {
  BpfMap,
  RingBuffer,
  TypedPerCpuMap,
  type MapCodecs,
  type RecordHandler,
  type RingBufferStatistics,
  type RingReading,
} from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";
import { eventClass, mapCodecs, type EventRate } from "../gen/abi.ts";
import type { EventClass, EventLosses } from "../model.ts";
import { Pins } from "../pinned/pins.ts";
import { headerLayout } from "./event-layout.ts";

/** By class, the map that is its ring. */
const ringOf = { verdicts: "tsi_events", traces: "tsi_traces" } as const;
const rateMap = "tsi_event_rate";
const classes = Object.keys(ringOf) as EventClass[];

/** Records per drain, of both rings together, unless told otherwise. */
const defaultLimit = 4096;

export class EventRings implements Disposable {
  /** Drops, verdicts of policy, refused calls. */
  readonly verdicts: RingBuffer;
  /** Traces and translations. */
  readonly traces: RingBuffer;
  readonly #rates: TypedPerCpuMap<number, EventRate>;

  private constructor(verdicts: RingBuffer, traces: RingBuffer, rates: BpfMap) {
    this.verdicts = verdicts;
    this.traces = traces;
    const codecs: MapCodecs<number, EventRate> = mapCodecs.tsi_event_rate;
    this.#rates = new TypedPerCpuMap(rates, codecs);
  }

  /** On maps by name; the rates' map becomes this object's to close. @throws ObjectError map_invalid, SyscallError */
  static of(map: (name: string) => BpfMap): EventRings {
    using undo = new DisposableStack();
    const rates = undo.use(map(rateMap));
    const verdicts = undo.use(RingBuffer.open(map(ringOf.verdicts)));
    const traces = undo.use(RingBuffer.open(map(ringOf.traces)));
    const rings = new EventRings(verdicts, traces, rates);
    undo.move();
    return rings;
  }

  /**
   * Hands the complete records of both rings to `handle`, in order of time as far as each ring is, at most `limit`, and
   * answers how many there were: fewer than `limit` means that both are empty for now. When `handle` throws, its record
   * and those behind it stay. See RingBuffer.drain. @throws Error when a ring is being read already, or closed
   */
  drain(handle: RecordHandler, limit: number = defaultLimit): number {
    using verdicts = this.verdicts.read();
    using traces = this.traces.read();
    let records = 0;
    for (let next = earlier(verdicts, traces); next && records < limit; records++) {
      handle(next.memory, next.at, next.length);
      next.step();
      next = earlier(verdicts, traces);
    }
    return records;
  }

  /** What each CPU told, and could not tell, since the maps were made; CPUs with neither are left out. @throws BpfError */
  losses(): EventLosses[] {
    return classes.flatMap((name) =>
      (this.#rates.lookup(eventClass[name]) ?? []).flatMap(({ lost, sent }, cpu) =>
        lost === 0n && sent === 0n ? [] : [{ class: name, cpu, lost, sent }],
      ),
    );
  }

  statistics(): Record<EventClass, RingBufferStatistics> {
    return { verdicts: this.verdicts.statistics(), traces: this.traces.statistics() };
  }

  /** @throws Error while a ring is being read */
  [Symbol.dispose](): void {
    this.verdicts[Symbol.dispose]();
    this.traces[Symbol.dispose]();
    this.#rates[Symbol.dispose]();
  }
}

/**
 * Opens the rings that a running datapath has pinned: for the thread that reads them while another one has the Datapath.
 * @throws DatapathError not_running; ObjectError map_invalid for maps of another version
 */
export function openEventRings({ bpffs }: { readonly bpffs: string }): EventRings {
  const pins = new Pins(bpffs).listMaps();
  using opened = new DisposableStack();
  const rings = EventRings.of((name) => {
    const pin = pins.find(({ map }) => map === name);
    if (pin === undefined)
      throw new DatapathError("not_running", `no map ${name} is pinned under ${bpffs}`);
    const map = BpfMap.fromPinned(pin.path);
    // Rings have descriptors of their own.
    if (name !== rateMap) opened.use(map);
    return map;
  });
  return rings;
}

/** Whichever has the earlier record next; undefined: neither has one. */
function earlier(a: RingReading, b: RingReading): RingReading | undefined {
  if (!b.peek()) return a.peek() ? a : undefined;
  if (!a.peek()) return b;
  return timestamp(a) <= timestamp(b) ? a : b;
}

/** Nanoseconds, rounded after 104 days of uptime: for comparing only. */
function timestamp({ memory: { view }, at }: RingReading): number {
  const low = view.getUint32(at + headerLayout.timestampNs, true);
  return view.getUint32(at + headerLayout.timestampNs + 4, true) * 2 ** 32 + low;
}
