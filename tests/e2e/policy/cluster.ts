// The cluster of the conformance matrix, brought from the state of one case to the next, and probed.
import assert from "node:assert/strict";
import {
  defaultSettings,
  naive,
  partiesOf,
  partyName,
  type RawObject,
  type World,
} from "../../../packages/policy/src/testing/naive/index.ts";
import { Lab, type PodObject } from "../harness.ts";
import { Applied, streamOf } from "./applied.ts";
import { plan, type Probe } from "./plan.ts";
import { targetKey } from "./prober.ts";
import { Probers } from "./probers.ts";
import { type Case, clusterObjects, hostObjects, nodeNames } from "./state.ts";
import { type Live, type NodeObject, worldOf } from "./world.ts";

/** What a case has come to. */
export type Situation = { readonly world: World; readonly policies: readonly RawObject[] };

/** How a lab is set up. */
export type Mode = {
  readonly name: string;
  readonly set: Readonly<Record<string, string>>;
  /** Nodes talk to other nodes' pods from their router's address. */
  readonly fromRouter: boolean;
};

export class PolicyCluster implements AsyncDisposable {
  readonly #lab: Lab;
  readonly #mode: Mode;
  readonly #applied: Applied;
  readonly #probers: Probers;
  #live: Live = { pods: [], nodes: [] };

  private constructor(lab: Lab, mode: Mode) {
    this.#lab = lab;
    this.#mode = mode;
    this.#applied = new Applied(lab);
    this.#probers = new Probers(lab);
  }

  static async up(mode: Mode): Promise<PolicyCluster> {
    const set = {
      ...mode.set,
      "enable-node-selector-labels": "true",
      "identity-change-grace-period": "500ms",
    };
    const lab = await Lab.up({ nodes: nodeNames.length, set, name: `t${process.pid}policy` });
    const cluster = new PolicyCluster(lab, mode);
    try {
      await lab.apply(streamOf(hostObjects()));
      await lab.wait("hosts");
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Makes the cluster what the case wants. Answers when every node's kernel has it. */
  async become(wanted: Case): Promise<Situation> {
    const renewed = wanted.renewed ?? [];
    for (const name of renewed) await this.#probers.stop(name);
    await this.#applied.forget(renewed.map((name) => `Pod/${name}`));
    const base = clusterObjects(wanted);
    await this.#applied.become([...base, ...this.#applied.policies]);
    const pods = base
      .filter(({ kind }) => kind === "Pod")
      .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    if (renewed.length > 0 || !this.#probers.covers(pods)) this.#live = await this.#whenReady(pods);
    const world = worldOf(base, this.#live, this.#mode);
    const objects = typeof wanted.objects === "function" ? wanted.objects(world) : wanted.objects;
    const policies = (objects ?? []) as readonly RawObject[];
    await this.#applied.become([...base, ...policies]);
    const waited = await this.#lab.lab("wait", "--for", "policy", "--timeout", "20s");
    assert.equal(waited.status, 0, `lab wait --for policy: ${waited.stderr}${waited.stdout}`);
    return { world, policies };
  }

  /** Probes every pair, both families, all at once. */
  async probe({ world, policies }: Situation): Promise<Probe[]> {
    const evaluator = naive(world, policies, defaultSettings);
    const results = await Promise.all(
      partiesOf(world).map(async (from) => {
        const planned = plan(world, from, evaluator);
        const targets = planned.map(({ target }) => target);
        const through = await this.#probers.probe(partyName(from), targets);
        return planned.map(({ target, ...probe }) => ({
          ...probe,
          observed: through.has(targetKey(target)),
        }));
      }),
    );
    return results.flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#probers[Symbol.asyncDispose]();
    await this.#lab[Symbol.asyncDispose]();
  }

  /** What the cluster is like once all pods run and there is a probe in each. */
  async #whenReady(pods: readonly string[]): Promise<Live> {
    const ready = await this.#lab.lab("wait", "-A", "--for", "ready");
    assert.equal(ready.status, 0, `lab wait: ${ready.stderr}${ready.stdout}`);
    await this.#probers.cover(pods, nodeNames);
    return {
      pods: await this.#list<PodObject>("pods", "-A"),
      nodes: [
        ...(await this.#list<NodeObject>("nodes")),
        ...(await this.#list<NodeObject>("ciliumnodes")),
      ],
    };
  }

  async #list<T>(kind: string, ...words: string[]): Promise<T[]> {
    const list = ["lab", "get", kind, "--name", this.#lab.name, ...words];
    return (await this.#lab.json<{ items: T[] }>(...list)).items;
  }
}
