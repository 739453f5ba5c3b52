// The live stream of drops, traces, verdicts of policy and translations, one JSON object per line.
import { dropReasons } from "@tsilium/datapath";
import type { DatapathEvent, PacketEvent, TranslationEvent } from "@tsilium/datapath/model.ts";
import { BootClock } from "@tsilium/hubble/decode/index.ts";
import { formatPacket, parsePacket } from "@tsilium/net";
import { clockBoottimeNs, clockRealtimeNs } from "@tsilium/syscall";
import type { EventWish } from "../hubble/event-switch.ts";
import type { NamedRule } from "../policy/model.ts";
import { type RuleNumberView, ruleNumberView } from "./policy-views.ts";
import type { RuleNames } from "./rule-names.ts";

export type EventSource = {
  events(signal: AbortSignal): AsyncIterable<DatapathEvent>;
  /** How much programs tell. */
  readonly switch: { want(wish: EventWish): Disposable };
};

/** What a listener wants besides drops and what only audit mode lets through. */
export type Wanted = { readonly trace: boolean; readonly verdicts: boolean };

export class Monitor {
  readonly #source: EventSource;
  readonly #names: RuleNames;
  /** One for all, so that times stand in the order of the events. */
  readonly #clock = new BootClock({ boottimeNs: clockBoottimeNs, unixNs: clockRealtimeNs });

  constructor(source: EventSource, names: RuleNames) {
    this.#source = source;
    this.#names = names;
  }

  /** Lines from now on until the signal fires. */
  async *lines(wanted: Wanted, signal: AbortSignal): AsyncGenerator<string> {
    using _wish = this.#source.switch.want({
      trace: wanted.trace ? "sent" : "off",
      verdicts: wanted.verdicts,
    });
    for await (const event of this.#source.events(signal)) {
      if (!isWanted(event, wanted)) continue;
      this.#clock.measure();
      yield JSON.stringify(await this.#view(event));
    }
  }

  async #view(event: DatapathEvent): Promise<object> {
    const time = timeText(this.#clock.unixNs(event.timestampNs));
    if (event.kind === "translation") return translationView(event, time);
    const rule = event.rule === 0 ? undefined : await this.#names.of(event.rule);
    return eventView(event, time, rule);
  }
}

function isWanted(event: DatapathEvent, { trace, verdicts }: Wanted): boolean {
  switch (event.kind) {
    case "drop":
      return true;
    case "trace":
      return trace;
    case "translation":
      return trace || event.isRefused;
    case "policy-verdict":
      return verdicts || event.verdict === "audit";
  }
}

/** An event as clients read it. */
export function eventView(event: PacketEvent, time: string, rule?: NamedRule) {
  const { kind, code, direction, endpointId, sourceIdentity, destinationIdentity, ifindex } = event;
  return {
    time,
    kind,
    code,
    ...(kind === "drop" ? { reason: dropReasons[code] ?? `reason ${code}` } : {}),
    ...(event.verdict === undefined ? {} : { verdict: event.verdict }),
    ...(event.rule === 0 ? {} : { rule: rule ? ruleNumberView(rule) : unnamed(event.rule) }),
    direction,
    endpointId,
    sourceIdentity,
    destinationIdentity,
    ifindex,
    packetLength: event.packetLength,
    summary: formatPacket(parsePacket(event.packet)),
    packet: Buffer.from(event.packet).toString("base64"),
  };
}

/** A socket that asked for a service, as clients read it. */
export function translationView(event: TranslationEvent, time: string) {
  const { kind, address, port, backend, protocol } = event;
  return {
    time,
    kind,
    refused: event.isRefused,
    protocol,
    address: address.toString(),
    port,
    ...(backend ? { backend: { address: backend.address.toString(), port: backend.port } } : {}),
    socketCookie: String(event.socketCookie),
  };
}

/** A rule that went before anybody asked. */
function unnamed(number: number): Pick<RuleNumberView, "number" | "name"> {
  return { number, name: `rule ${number}` };
}

/** UNIX time in nanoseconds as RFC 3339 with microseconds. */
function timeText(unixNs: bigint): string {
  const micros = (unixNs / 1000n) % 1_000_000n;
  const seconds = new Date(Number(unixNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${micros.toString().padStart(6, "0")}Z`;
}
