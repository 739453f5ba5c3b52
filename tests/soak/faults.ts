// What is done to the cluster's own processes while everything goes on. Every kind comes once before any comes again, in
// an order at random; after each it is measured how long it takes until every kernel has everything.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@tsilium/testkit";
import { root, until } from "../e2e/harness.ts";
import type { Cluster } from "./cluster.ts";

export type Fault = {
  readonly kind: string;
  /** Processes that were killed or stopped. */
  readonly processes: readonly string[];
  /** Nodes whose agent came back with tables laid out differently, twice. */
  readonly relaidOut: readonly string[];
  /** By the wall's clock, as logs have it. */
  readonly from: Date;
  /** ns of CLOCK_MONOTONIC. */
  readonly fromNs: bigint;
  /** When every kernel had everything again. */
  readonly toNs: bigint;
  /** What was last said to be missing, where it took long. */
  readonly lagged?: string;
};

type Kind = { readonly name: string; readonly run: () => Promise<Partial<Fault>> };

type Options = {
  readonly cluster: Cluster;
  readonly random: Random;
  /** Whose agents are killed. */
  readonly nodes: readonly string[];
  /** BPF objects with another layout. */
  readonly otherObjects: string;
};

/** How long the API server stands still. */
const hangMs = { least: 500, more: 3_000 } as const;
/** Kubernetes kills with SIGKILL what SIGTERM did not end. */
const signals = ["SIGKILL", "SIGTERM"] as const;

export class Faults {
  readonly done: Fault[] = [];
  readonly #options: Options;
  readonly #kinds: readonly Kind[];
  #bag: Kind[];

  constructor(options: Options) {
    this.#options = options;
    const { nodes, random } = options;
    const any = () => random.pick(nodes);
    const signal = () => random.pick(signals);
    this.#kinds = [
      {
        name: "agent came back with another layout, and with its own",
        run: () => this.#relayOut(any()),
      },
      { name: "agent killed", run: () => this.#kill("SIGKILL", `agent/${any()}`) },
      { name: "agent ended", run: () => this.#kill("SIGTERM", `agent/${any()}`) },
      {
        name: "all agents killed",
        run: () => this.#kill("SIGKILL", ...nodes.map((node) => `agent/${node}`)),
      },
      { name: "operator killed", run: () => this.#kill(signal(), "operator") },
      { name: "API server killed", run: () => this.#kill("SIGKILL", "apiserver") },
      { name: "API server ended", run: () => this.#kill("SIGTERM", "apiserver") },
      { name: "API server hung", run: () => this.#hang() },
      {
        name: "API server, operator and an agent killed",
        run: () => this.#kill("SIGKILL", "apiserver", "operator", `agent/${any()}`),
      },
      { name: "relay killed", run: () => this.#kill(signal(), "relay") },
    ];
    // However little time there is, this one comes.
    this.#bag = this.#kinds.slice(0, 1);
  }

  /** Does the next one, and waits until everything has converged. */
  async next(): Promise<Fault> {
    // The first has come already.
    if (this.#bag.length === 0) this.#bag = this.#kinds.slice(this.done.length === 1 ? 1 : 0);
    const [kind] = this.#bag.splice(this.#options.random.below(this.#bag.length), 1) as [Kind];
    const from = new Date();
    const fromNs = process.hrtime.bigint();
    const facts = await kind.run();
    let lagged: string | undefined;
    await this.#options.cluster.converge((what) => (lagged = what));
    const toNs = process.hrtime.bigint();
    const nothing = { processes: [], relaidOut: [] };
    const late = lagged === undefined ? {} : { lagged };
    const fault = { kind: kind.name, ...nothing, ...facts, from, fromNs, toNs, ...late };
    this.done.push(fault);
    return fault;
  }

  async #kill(signal: NodeJS.Signals, ...processes: string[]): Promise<Partial<Fault>> {
    const { cluster } = this.#options;
    const killed = new Map(processes.map((name) => [name, cluster.pidOf(name)] as const));
    for (const pid of killed.values()) if (pid !== undefined) kill(pid, signal);
    await until(`${processes} have successors`, async () =>
      [...killed].every(([name, pid]) => ![undefined, pid].includes(cluster.pidOf(name))),
    );
    return { processes };
  }

  /**
   * A node's agent comes back with objects that lay tables out differently, and again with its own. In between it must not
   * sweep its tables: an agent reads them by the layout of the objects that it was built with.
   */
  async #relayOut(node: string): Promise<Partial<Fault>> {
    const { cluster, otherObjects, random } = this.#options;
    const config = join(cluster.layout.folder, node, "config");
    const restart = () => this.#kill(random.pick(signals), `agent/${node}`);
    writeFileSync(join(config, "bpf-objects"), otherObjects);
    writeFileSync(join(config, "conntrack-gc-interval"), "1h");
    await restart();
    await cluster.converge();
    writeFileSync(join(config, "bpf-objects"), join(root, "dist/bpf"));
    rmSync(join(config, "conntrack-gc-interval"));
    return { ...(await restart()), relaidOut: [node] };
  }

  async #hang(): Promise<Partial<Fault>> {
    const pid = this.#options.cluster.pidOf("apiserver");
    if (pid === undefined) return {};
    kill(pid, "SIGSTOP");
    try {
      await sleep(hangMs.least + this.#options.random.below(hangMs.more));
    } finally {
      kill(pid, "SIGCONT");
    }
    return { processes: ["apiserver"] };
  }
}

/** Who is gone already is as good as killed. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
