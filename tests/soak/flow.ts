// A flow between two pods that stay: packets at a steady pace in both directions, and exactly which of them were lost, and
// when (tests/native/pulse.c).
import { join } from "node:path";
import { arrivalsOf } from "../e2e/pulses.ts";
import { root } from "../e2e/harness.ts";
import type { Family, Member } from "./cast.ts";
import type { Cluster } from "./cluster.ts";
import { PodProcess } from "./pod-process.ts";

const program = join(root, "dist/bin/pulse");

export type FlowPlan = {
  readonly protocol: "udp" | "tcp";
  readonly family: Family;
  readonly client: Member;
  readonly server: Member;
  readonly port: number;
  /** Microseconds between a side's packets. */
  readonly intervalUs: number;
};

/** Packets in a row that never arrived, and when those around them were sent: ns of CLOCK_MONOTONIC. */
export type Gap = {
  readonly first: number;
  readonly count: number;
  readonly afterNs: bigint;
  readonly beforeNs: bigint;
};

/** One direction of a flow. */
export type Direction = {
  readonly who: string;
  readonly protocol: "udp" | "tcp";
  readonly nodes: readonly [from: string, to: string];
  readonly sent: number;
  readonly arrived: number;
  readonly lost: number;
  readonly gaps: readonly Gap[];
};

export class Flow implements AsyncDisposable {
  readonly #plan: FlowPlan;
  readonly #client: PodProcess;
  readonly #server: PodProcess;

  private constructor(plan: FlowPlan, client: PodProcess, server: PodProcess) {
    this.#plan = plan;
    this.#client = client;
    this.#server = server;
  }

  /** Resolves when each side has heard the other. */
  static async start(cluster: Cluster, plan: FlowPlan): Promise<Flow> {
    const { protocol, family, client, server, port, intervalUs } = plan;
    const pulse = (member: Member, ...words: readonly (string | number)[]) =>
      new PodProcess(cluster, member, [program, "-g", "-i", ...[intervalUs, ...words].map(String)]);
    const served = pulse(server, "server", protocol, port);
    try {
      await served.printed(/^ready$/m);
    } catch (error) {
      await served.end();
      throw error;
    }
    const flow = new Flow(plan, pulse(client, "client", protocol, server[family], port), served);
    try {
      await Promise.all([flow.#client, flow.#server].map((end) => end.printed(/^connected$/m)));
      return flow;
    } catch (error) {
      await flow[Symbol.asyncDispose]();
      throw error;
    }
  }

  async end(): Promise<readonly Direction[]> {
    const { client, server, protocol, family } = this.#plan;
    const [atClient, atServer] = await Promise.all([this.#client.end(), this.#server.end()]);
    const direction = (from: Member, to: Member, [sending, receiving]: [string, string]) => {
      const who = `${protocol} ${family} ${from.name} -> ${to.name}`;
      const { sent } = arrivalsOf(who, sending);
      const { arrived } = arrivalsOf(who, receiving);
      const gaps = gapsOf(receiving);
      const lost = gaps.reduce((sum, { count }) => sum + count, 0);
      return { who, protocol, nodes: [from.node, to.node], sent, arrived, lost, gaps } as const;
    };
    return [
      direction(client, server, [atClient, atServer]),
      direction(server, client, [atServer, atClient]),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#client.end(), this.#server.end()]);
  }
}

/** What was skipped and did not come late. Those that came late split a gap, or end it. */
export function gapsOf(output: string): Gap[] {
  const late = new Set([...output.matchAll(/^late (\d+)$/gm)].map(([, number]) => Number(number)));
  const gaps: Gap[] = [];
  for (const [, from, to, after = "0", before = "0"] of output.matchAll(
    /^gap (\d+) (\d+) (\d+) (\d+)$/gm,
  )) {
    let first: number | undefined;
    for (let number = Number(from); number <= Number(to) + 1; number++) {
      const isLost = number <= Number(to) && !late.has(number);
      if (isLost) first ??= number;
      if (isLost || first === undefined) continue;
      const when = { afterNs: BigInt(after), beforeNs: BigInt(before) };
      gaps.push({ first, count: number - first, ...when });
      first = undefined;
    }
  }
  return gaps;
}
