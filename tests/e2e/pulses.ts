// Flows with a packet every 100 us in both directions, and which of their packets arrived, by when they were sent
// (tests/native/pulse.c). Times are nanoseconds of CLOCK_MONOTONIC, as `process.hrtime.bigint()` tells them.
import assert from "node:assert/strict";
import { join } from "node:path";
import { Background } from "./background.ts";
import { root, type Lab } from "./harness.ts";

const program = join(root, "dist/bin/pulse");

/** Packets that arrived, less than 20 ms apart, from the first one's sending to the last one's. */
export type Run = { readonly firstNs: bigint; readonly lastNs: bigint; readonly count: number };

/** What one end made of it. */
export type Arrivals = {
  readonly who: string;
  readonly runs: readonly Run[];
  readonly sent: number;
  readonly arrived: number;
  /** Numbers missing between the first and the last arrival. */
  readonly lost: number;
};

/** A span of time. */
export type Window = { readonly fromNs: bigint; readonly toNs: bigint };

export type PulseFlow = {
  readonly namespace: string;
  readonly protocol: "udp" | "tcp";
  readonly client: string;
  readonly server: string;
  /** Of the server. */
  readonly address: string;
  readonly port: number;
  /** The client's port; any, if left out. */
  readonly clientPort?: number;
  /** Microseconds between a side's packets. 100 if left out. */
  readonly clientIntervalUs?: number;
  readonly serverIntervalUs?: number;
};

/** `await using flow = await Pulses.start(...)`: whatever happens, it ends with the block. */
export class Pulses implements AsyncDisposable {
  readonly #flow: PulseFlow;
  readonly #client: Background;
  readonly #server: Background;

  private constructor(flow: PulseFlow, ends: { client: Background; server: Background }) {
    this.#flow = flow;
    this.#client = ends.client;
    this.#server = ends.server;
  }

  /** Resolves when each side has heard the other. */
  static async start(lab: Lab, flow: PulseFlow): Promise<Pulses> {
    const { namespace, protocol, address } = flow;
    const port = String(flow.port);
    const from = flow.clientPort === undefined ? [] : ["-p", String(flow.clientPort)];
    const exec = (pod: string, ...words: string[]) =>
      Background.exec(lab, { namespace, pod, command: [program, ...words] });
    const server = exec(flow.server, ...pace(flow.serverIntervalUs), "server", protocol, port);
    const started = [server];
    try {
      await server.printed(/^ready$/m);
      const client = exec(
        flow.client,
        ...pace(flow.clientIntervalUs),
        ...from,
        "client",
        protocol,
        address,
        port,
      );
      started.push(client);
      await Promise.all(started.map((end) => end.printed(/^connected$/m)));
      return new Pulses(flow, { client, server });
    } catch (error) {
      await Promise.all(started.map((end) => end.end()));
      throw error;
    }
  }

  /** Ends both sides: what arrived at the server, and what arrived at the client. */
  async end(): Promise<readonly [atServer: Arrivals, atClient: Arrivals]> {
    const { protocol, client, server, address } = this.#flow;
    const name = `${protocol} ${client} -> ${server} (${address})`;
    const [atClient, atServer] = await Promise.all([this.#client.end(), this.#server.end()]);
    return [arrivalsOf(name, atServer), arrivalsOf(`answers of ${name}`, atClient)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#client.end(), this.#server.end()]);
  }
}

/** Several flows that begin and end together. */
export class PulseSet implements AsyncDisposable {
  readonly #flows: readonly Pulses[];

  private constructor(flows: readonly Pulses[]) {
    this.#flows = flows;
  }

  static async start(lab: Lab, flows: readonly PulseFlow[]): Promise<PulseSet> {
    const started = await Promise.allSettled(flows.map((flow) => Pulses.start(lab, flow)));
    const set = new PulseSet(
      started.flatMap((each) => (each.status === "fulfilled" ? each.value : [])),
    );
    const failed = started.find((each) => each.status === "rejected");
    if (!failed) return set;
    await set[Symbol.asyncDispose]();
    throw failed.reason;
  }

  async end(): Promise<(readonly [atServer: Arrivals, atClient: Arrivals])[]> {
    return Promise.all(this.#flows.map((flow) => flow.end()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#flows.map((flow) => flow[Symbol.asyncDispose]()));
  }
}

/** What a pulse that was ended has printed. */
export function arrivalsOf(who: string, output: string): Arrivals {
  const totals = /^sent (\d+) arrived (\d+) lost (\d+)$/m.exec(output);
  assert.ok(totals, `${who}: ${output}`);
  const [sent, arrived, lost] = totals.slice(1).map(Number) as [number, number, number];
  const runs = [...output.matchAll(/^run (\d+) (\d+) (\d+)$/gm)].map(
    ([, first = "", last = "", count]): Run => ({
      firstNs: BigInt(first),
      lastNs: BigInt(last),
      count: Number(count),
    }),
  );
  return { who, runs, sent, arrived, lost };
}

/** Whether a packet that was sent within the window arrived. Windows are longer than runs are apart. */
export function arrivedWithin({ runs }: Arrivals, { fromNs, toNs }: Window): boolean {
  return runs.some(({ firstNs, lastNs }) => firstNs <= toNs && lastNs >= fromNs);
}

function pace(intervalUs: number | undefined): string[] {
  return intervalUs === undefined ? [] : ["-i", String(intervalUs)];
}
