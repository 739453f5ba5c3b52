// The cluster under endurance: a lab, a client of its API server that does not mind when that one is dead for a while, and
// the lab's processes, without a process for every question.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient, KubeError, type KubeObject, type Pod, resources } from "@tsilium/kube";
import { wait } from "../../apps/lab/src/commands/wait.ts";
import { type LabLayout, labLayout } from "../../apps/lab/src/layout.ts";
import type { ProcessReport } from "../../apps/lab/src/processes/supervised.ts";
import { readState } from "../../apps/lab/src/state.ts";
import { Lab } from "../e2e/harness.ts";

const byKind = Object.values(resources);
/** What the API server may be away for, with all that is killed around it. */
const patienceMs = 90_000;
const callMs = 10_000;
/** An agent starts in seconds, or in a minute where a dozen others want the same two processors. */
const convergenceMs = 180_000;

type Options = {
  readonly name: string;
  readonly nodes: number;
  readonly set: Readonly<Record<string, string>>;
};

export class Cluster implements AsyncDisposable {
  readonly lab: Lab;
  readonly layout: LabLayout;
  readonly nodes: readonly string[];
  readonly client: KubeClient;
  #isOver = false;

  private constructor(lab: Lab, nodes: number) {
    this.lab = lab;
    this.layout = labLayout(lab.name);
    this.nodes = Array.from({ length: nodes }, (_, at) => `node-${at + 1}`);
    this.client = KubeClient.fromKubeconfig(this.layout.kubeconfig);
  }

  static async up({ name, nodes, set }: Options): Promise<Cluster> {
    return new Cluster(await Lab.up({ name, nodes, set: { ...set } }), nodes);
  }

  /** Tries again for as long as the API server does not answer, or answers that it cannot. @throws KubeError */
  async insist<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    for (const deadline = performance.now() + patienceMs; ;) {
      try {
        return await call(AbortSignal.timeout(callMs));
      } catch (error) {
        if (this.#isOver || !mayPass(error) || performance.now() > deadline) throw error;
        await sleep(200);
      }
    }
  }

  /** Also when an earlier try had made it, whose answer was lost. */
  async create(object: KubeObject): Promise<void> {
    let tries = 0;
    await this.insist(async (signal) => {
      tries++;
      try {
        await this.client.create(resourceOf(object), object, { signal });
      } catch (error) {
        if (tries === 1 || !KubeError.isAlreadyExists(error)) throw error;
      }
    });
  }

  /** Also when it is gone already. */
  async delete(object: KubeObject): Promise<void> {
    const { name = "", namespace } = object.metadata;
    await this.insist((signal) =>
      this.client.delete(resourceOf(object), name, { namespace, signal }),
    );
  }

  /** A merge patch (RFC 7386). */
  async patch(object: KubeObject, patch: object): Promise<void> {
    const { name = "", namespace } = object.metadata;
    await this.insist((signal) =>
      this.client.patch(resourceOf(object), name, { type: "merge", patch, namespace, signal }),
    );
  }

  async patchStatus(object: KubeObject, status: object): Promise<void> {
    const { name = "", namespace } = object.metadata;
    await this.insist((signal) =>
      this.client.patchStatus(resourceOf(object), name, { status, namespace, signal }),
    );
  }

  /** All of them that have an address of their own. */
  async pods(): Promise<Pod[]> {
    const { items } = await this.insist((signal) => this.client.list(resources.pods, { signal }));
    return items.filter(({ spec }) => !spec.hostNetwork);
  }

  /**
   * Until every agent's kernel has everything that was applied before. Answers how long it took, in ms.
   * @param lags told, from time to time, what is not there yet
   * @throws Error saying what lags
   */
  async converge(lags?: (what: string) => void): Promise<number> {
    const begun = performance.now();
    for (const deadline = begun + convergenceMs; ;) {
      try {
        await wait(this.lab.name, { for: "policy", timeout: 15_000 });
        return Math.round(performance.now() - begun);
      } catch (error) {
        if (this.#isOver || performance.now() > deadline) throw error;
        lags?.((error as Error).message);
        await sleep(100);
      }
    }
  }

  processes(): readonly ProcessReport[] {
    return readState(this.layout)?.processes ?? [];
  }

  /** The process of a name that runs now; undefined while it is away. */
  pidOf(name: string): number | undefined {
    const report = this.processes().find((each) => each.name === name);
    return report?.state === "running" ? report.pid : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.client[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof KubeError)) return true; // the signal's reason: no answer in time
  return error.status === 0 || error.status === 429 || error.status >= 500;
}

export function resourceOf({ kind, apiVersion }: KubeObject) {
  const found = byKind.find((each) => each.kind === kind);
  assert.ok(found, `no resource of kind ${kind} (${apiVersion})`);
  return found;
}
