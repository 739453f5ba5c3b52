// New connections at a steady pace, TCP and UDP, each with a request that must be answered: tests/native/probe.c, which is
// given a target after the other.
import { join } from "node:path";
import { root } from "../e2e/harness.ts";
import type { Member } from "./cast.ts";
import type { Cluster } from "./cluster.ts";
import { PodProcess } from "./pod-process.ts";

export type FreshPlan = {
  readonly from: Member;
  readonly targets: readonly { readonly address: string; readonly port: number }[];
  readonly intervalMs: number;
};

export type FreshResult = {
  readonly who: string;
  readonly asked: number;
  readonly answered: number;
  /** What was not answered, and when it was asked: ns of CLOCK_MONOTONIC. */
  readonly failed: readonly { readonly what: string; readonly atNs: bigint }[];
};

export class Fresh implements AsyncDisposable {
  readonly #plan: FreshPlan;
  readonly #probe: PodProcess;
  readonly #timer: NodeJS.Timeout;
  readonly #askedNs: bigint[] = [];

  constructor(cluster: Cluster, plan: FreshPlan) {
    this.#plan = plan;
    this.#probe = new PodProcess(cluster, plan.from, [join(root, "dist/bin/probe")]);
    this.#timer = setInterval(() => this.#ask(), plan.intervalMs);
  }

  async end(): Promise<FreshResult> {
    clearInterval(this.#timer);
    const lines = (await this.#probe.end("end of input")).split("\n").filter(Boolean);
    const failed = lines
      .map((what, at) => ({ what, atNs: this.#askedNs[at] ?? 0n }))
      .filter(({ what }) => !what.startsWith("ok "));
    return {
      who: `new connections of ${this.#plan.from.name}`,
      asked: this.#askedNs.length,
      answered: lines.length - failed.length,
      failed,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#probe.end("end of input");
  }

  #ask(): void {
    const { targets } = this.#plan;
    const at = this.#askedNs.length;
    const { address, port } = targets[at % targets.length] as FreshPlan["targets"][number];
    // Every target in both protocols.
    const protocol = Math.floor(at / targets.length) % 2 === 0 ? "tcp" : "udp";
    this.#askedNs.push(process.hrtime.bigint());
    this.#probe.write(`${protocol} ${address} ${port} 64\n`);
  }
}
