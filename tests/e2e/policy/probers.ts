// A probe in every pod and on every node.
import assert from "node:assert/strict";
import type { Lab } from "../harness.ts";
import { Prober, type Target } from "./prober.ts";

export class Probers implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #probers = new Map<string, Prober>();

  constructor(lab: Lab) {
    this.#lab = lab;
  }

  /** Of these pods ("x/a") and nodes. Those that have one keep it. */
  async cover(pods: readonly string[], nodes: readonly string[]): Promise<void> {
    for (const name of this.#probers.keys())
      if (!pods.includes(name) && !nodes.includes(name)) await this.stop(name);
    for (const name of pods) {
      const [namespace = "", pod = ""] = name.split("/");
      this.#start(name, ["exec", "-n", namespace, pod]);
    }
    for (const name of nodes) this.#start(name, ["node", "exec", name]);
  }

  /** Whether there is a probe in each of these pods, and in no others. */
  covers(pods: readonly string[]): boolean {
    const covered = [...this.#probers.keys()].filter((name) => name.includes("/"));
    return covered.length === pods.length && pods.every((name) => this.#probers.has(name));
  }

  async probe(name: string, targets: readonly Target[]): Promise<ReadonlySet<string>> {
    const prober = this.#probers.get(name);
    assert.ok(prober, `nobody probes for ${name}`);
    return prober.probe(targets);
  }

  async stop(name: string): Promise<void> {
    await this.#probers.get(name)?.[Symbol.asyncDispose]();
    this.#probers.delete(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#probers.keys()) await this.stop(name);
  }

  #start(name: string, words: readonly string[]): void {
    if (!this.#probers.has(name)) this.#probers.set(name, new Prober(this.#lab, name, words));
  }
}
