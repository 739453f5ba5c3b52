// Packets each of which is a flow's first, so that policy decides about every one (tests/native/pulse.c).
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { root } from "../e2e/harness.ts";
import { type Arrivals, arrivalsOf } from "../e2e/pulses.ts";
import type { Family, Member } from "./cast.ts";
import type { Cluster } from "./cluster.ts";
import type { Gap } from "./flow.ts";
import { gapsOf } from "./flow.ts";
import { PodProcess } from "./pod-process.ts";

const program = join(root, "dist/bin/pulse");
/** For what is on its way when nobody knocks any more. */
const lingerMs = 200;

export type KnockPlan = {
  readonly from: Member;
  readonly to: Member;
  readonly family: Family;
  /** Of `to`; nobody else knocks there. */
  readonly port: number;
  readonly intervalUs: number;
};

export type KnockResult = Arrivals & {
  readonly nodes: readonly [from: string, to: string];
  readonly gaps: readonly Gap[];
};

export class Knock implements AsyncDisposable {
  readonly #plan: KnockPlan;
  readonly #knock: PodProcess;
  readonly #sink: PodProcess;

  private constructor(plan: KnockPlan, knock: PodProcess, sink: PodProcess) {
    this.#plan = plan;
    this.#knock = knock;
    this.#sink = sink;
  }

  /** Resolves when the sink listens. */
  static async start(cluster: Cluster, plan: KnockPlan): Promise<Knock> {
    const { from, to, family, port, intervalUs } = plan;
    const sink = new PodProcess(cluster, to, [program, "-g", "sink", String(port)]);
    try {
      await sink.printed(/^ready$/m);
    } catch (error) {
      await sink.end();
      throw error;
    }
    const words = ["-i", String(intervalUs), "knock", to[family], String(port)];
    return new Knock(plan, new PodProcess(cluster, from, [program, ...words]), sink);
  }

  async end(): Promise<KnockResult> {
    const { from, to, family, port } = this.#plan;
    const who = `${family} knocks ${from.name} -> ${to.name}:${port}`;
    const { sent } = arrivalsOf(who, await this.#knock.end());
    await sleep(lingerMs);
    const output = await this.#sink.end();
    const nodes = [from.node, to.node] as const;
    return { ...arrivalsOf(who, output), who, sent, nodes, gaps: gapsOf(output) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#knock.end(), this.#sink.end()]);
  }
}
