// The live stream of drops, traces and verdicts of policy, one JSON object per line.
import { dropReasons } from "@tsilium/datapath";
import type { DropOrTraceEvent } from "@tsilium/datapath/model.ts";
import { formatPacket, parsePacket } from "@tsilium/net";
import { clockBoottimeNs } from "@tsilium/syscall";
import type { NamedRule } from "../policy/model.ts";
import { type RuleNumberView, ruleNumberView } from "./policy-views.ts";
import type { RuleNames } from "./rule-names.ts";

export type EventSource = {
  events(signal: AbortSignal): AsyncIterable<DropOrTraceEvent>;
  setTrace(on: boolean): void;
  setVerdicts(on: boolean): void;
};

/** What a listener wants besides drops and what only audit mode lets through. */
export type Wanted = { readonly trace: boolean; readonly verdicts: boolean };

export class Monitor {
  readonly #source: EventSource;
  readonly #names: RuleNames;
  /** Listeners that asked for it; programs send it as long as there is one. */
  readonly #listeners = { trace: 0, verdicts: 0 };

  constructor(source: EventSource, names: RuleNames) {
    this.#source = source;
    this.#names = names;
  }

  /** Lines from now on until the signal fires. */
  async *lines(wanted: Wanted, signal: AbortSignal): AsyncGenerator<string> {
    this.#count(wanted, 1);
    try {
      for await (const event of this.#source.events(signal)) {
        if (!isWanted(event, wanted)) continue;
        const rule = event.rule === 0 ? undefined : await this.#names.of(event.rule);
        yield JSON.stringify(eventView(event, rule));
      }
    } finally {
      this.#count(wanted, -1);
    }
  }

  #count({ trace, verdicts }: Wanted, change: 1 | -1): void {
    const before = { ...this.#listeners };
    if (trace) this.#listeners.trace += change;
    if (verdicts) this.#listeners.verdicts += change;
    const now = this.#listeners;
    if (before.trace > 0 !== now.trace > 0) this.#source.setTrace(now.trace > 0);
    if (before.verdicts > 0 !== now.verdicts > 0) this.#source.setVerdicts(now.verdicts > 0);
  }
}

function isWanted({ kind, verdict }: DropOrTraceEvent, { trace, verdicts }: Wanted): boolean {
  switch (kind) {
    case "drop":
      return true;
    case "trace":
      return trace;
    case "policy-verdict":
      return verdicts || verdict === "audit";
  }
}

/** An event as clients read it. */
export function eventView(event: DropOrTraceEvent, rule?: NamedRule) {
  const { kind, code, direction, endpointId, sourceIdentity, destinationIdentity, ifindex } = event;
  return {
    time: wallClock(event.timestampNs),
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

/** A rule that went before anybody asked. */
function unnamed(number: number): Pick<RuleNumberView, "number" | "name"> {
  return { number, name: `rule ${number}` };
}

/** CLOCK_BOOTTIME nanoseconds as RFC 3339 with microseconds. */
function wallClock(boottimeNs: bigint): string {
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const atNs = nowNs - (clockBoottimeNs() - boottimeNs);
  const micros = (atNs / 1000n) % 1_000_000n;
  const seconds = new Date(Number(atNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${micros.toString().padStart(6, "0")}Z`;
}
