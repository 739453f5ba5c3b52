// The live stream of drops and traces, one JSON object per line.
import { dropReasons } from "@tsilium/datapath";
import type { DropOrTraceEvent } from "@tsilium/datapath/model.ts";
import { formatPacket, parsePacket } from "@tsilium/net";
import { clockBoottimeNs } from "@tsilium/syscall";

export type EventSource = {
  events(signal: AbortSignal): AsyncIterable<DropOrTraceEvent>;
  setTrace(on: boolean): void;
};

export class Monitor {
  readonly #source: EventSource;
  /** Listeners that asked for traces; programs send them as long as there is one. */
  #tracing = 0;

  constructor(source: EventSource) {
    this.#source = source;
  }

  /** Lines from now on until the signal fires: drops, and traces too when asked for. */
  async *lines(options: {
    readonly trace: boolean;
    readonly signal: AbortSignal;
  }): AsyncGenerator<string> {
    const { trace, signal } = options;
    if (trace) this.#trace(1);
    try {
      for await (const event of this.#source.events(signal)) {
        if (trace || event.kind === "drop") yield JSON.stringify(eventView(event));
      }
    } finally {
      if (trace) this.#trace(-1);
    }
  }

  #trace(change: 1 | -1): void {
    const before = this.#tracing;
    this.#tracing += change;
    if (before > 0 !== this.#tracing > 0) this.#source.setTrace(this.#tracing > 0);
  }
}

/** An event as clients read it. */
export function eventView(event: DropOrTraceEvent) {
  const { kind, code, direction, endpointId, sourceIdentity, destinationIdentity, ifindex } = event;
  return {
    time: wallClock(event.timestampNs),
    kind,
    code,
    ...(kind === "drop" ? { reason: dropReasons[code] ?? `reason ${code}` } : {}),
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

/** CLOCK_BOOTTIME nanoseconds as RFC 3339 with microseconds. */
function wallClock(boottimeNs: bigint): string {
  const nowNs = BigInt(Date.now()) * 1_000_000n;
  const atNs = nowNs - (clockBoottimeNs() - boottimeNs);
  const micros = (atNs / 1000n) % 1_000_000n;
  const seconds = new Date(Number(atNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${micros.toString().padStart(6, "0")}Z`;
}
