// Records of the kernel to flows.
//
//   record --> header, packet --> flow          a packet's event
//                             \-> waiting       of a rule that nobody has named yet; released within 300 ms
//          \-> two flows, or one drop           a socket's
import { eventKind } from "@tsilium/datapath";
import { unnamedRule, type Enricher, type RulePolicies } from "../enrich/index.ts";
import type { Flow } from "../model.ts";
import type { BootClock } from "./clock.ts";
import { l7Flow, type L7Record } from "./l7.ts";
import { hasCause, PacketFlows } from "./packet-flow.ts";
import { PacketReader } from "./packet.ts";
import {
  isPacketRecord,
  packetEnd,
  packetStart,
  RecordHeader,
  type RecordMemory,
  socketEventLayout,
} from "./record.ts";
import { SocketFlows } from "./socket-flow.ts";
import { WaitingRecords } from "./waiting.ts";

export type FlowDecoderOptions = {
  readonly enricher: Enricher;
  readonly clock: BootClock;
  /** Told of rule numbers that nobody has named, each once while it is waited for. The answer comes by `enricher.apply`. */
  readonly askRules?: (numbers: readonly number[]) => void;
  /** Milliseconds, of a clock that does not jump; performance.now(). */
  readonly nowMs?: () => number;
};

export type DecoderStatistics = {
  /** Events that wait for their rule's name. */
  readonly waiting: number;
  /** Records that are too short, or of a kind that is not known: a newer program's, during an upgrade. */
  readonly undecodable: number;
  /** Flows that went out with a rule's number in place of its name. */
  readonly unnamedRules: number;
};

export class FlowDecoder {
  readonly #enricher: Enricher;
  readonly #askRules: (numbers: readonly number[]) => void;
  readonly #header = new RecordHeader();
  readonly #packet = new PacketReader();
  readonly #packetFlows: PacketFlows;
  readonly #socketFlows: SocketFlows;
  readonly #waiting: WaitingRecords;
  /** Asked for, and not to be asked again while they are waited for. */
  #asked = new Set<number>();
  #undecodable = 0;
  #unnamedRules = 0;

  constructor(options: FlowDecoderOptions) {
    const { enricher, clock, askRules, nowMs } = options;
    this.#enricher = enricher;
    this.#askRules = askRules ?? (() => undefined);
    this.#packetFlows = new PacketFlows(enricher, clock);
    this.#socketFlows = new SocketFlows(enricher, clock);
    this.#waiting = new WaitingRecords(nowMs ?? (() => performance.now()));
  }

  /**
   * Adds to `out` what the record at `at` tells of; an event whose rule is not known yet waits. Reads nothing beyond
   * the record, keeps nothing of the memory, never throws for what is in it. Flows have no number yet (`numberFlows`).
   */
  decode(memory: RecordMemory, at: number, length: number, out: Flow[]): void {
    const { view } = memory;
    const header = this.#header;
    if (!header.read(view, at, length)) {
      this.#undecodable++;
      return;
    }
    switch (header.kind) {
      case eventKind.trace:
      case eventKind.drop:
      case eventKind.policyVerdict:
        if (isPacketRecord(length)) this.#packetEvent(memory, at, length, out);
        else this.#undecodable++;
        return;
      case eventKind.translation:
        if (length >= socketEventLayout.size) this.#socketFlows.add(header, view, at, out);
        else this.#undecodable++;
        return;
      default:
        this.#undecodable++;
    }
  }

  /** Adds flows of events that have waited, and asks for the rules of the others. To be called after each round of records. */
  release(out: Flow[]): void {
    if (this.#waiting.size === 0) return;
    const ready = this.#waiting.take((rule) => this.#enricher.rule(rule) !== undefined);
    for (const { bytes, rule } of ready) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#header.read(view, 0, bytes.length);
      this.#packetFlow(view, 0, this.#named(rule), out);
    }
    this.#ask();
  }

  /** Adds the flow of what a proxy saw. */
  l7(record: L7Record, out: Flow[]): void {
    out.push(l7Flow(record, this.#enricher));
  }

  get statistics(): DecoderStatistics {
    return {
      waiting: this.#waiting.size,
      undecodable: this.#undecodable,
      unnamedRules: this.#unnamedRules,
    };
  }

  #packetEvent({ bytes, view }: RecordMemory, at: number, length: number, out: Flow[]): void {
    const { rule } = this.#header;
    if (!hasCause(this.#header)) return this.#packetFlow(view, at, undefined, out);
    const known = this.#enricher.rule(rule);
    if (!known && this.#waiting.add(rule, bytes.subarray(at, at + length))) return;
    this.#packetFlow(view, at, known ?? this.#named(rule), out);
  }

  #packetFlow(view: DataView, at: number, rule: RulePolicies | undefined, out: Flow[]): void {
    this.#packet.read(view, packetStart(at), packetEnd(view, at));
    out.push(this.#packetFlows.of(this.#header, this.#packet, rule));
  }

  #named(rule: number): RulePolicies {
    const known = this.#enricher.rule(rule);
    if (known) return known;
    this.#unnamedRules++;
    return unnamedRule(rule);
  }

  #ask(): void {
    const wanted = this.#waiting.rules();
    const unasked = wanted.filter((rule) => !this.#asked.has(rule));
    this.#asked = new Set(wanted);
    if (unasked.length > 0) this.#askRules(unasked);
  }
}
