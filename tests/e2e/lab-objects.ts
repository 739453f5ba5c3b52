// A lab's objects and its `wait`, without a process for every command: what a test does hundreds of times over.
import assert from "node:assert/strict";
import { KubeClient, resources, type KubeObject } from "@tsilium/kube";
import { wait } from "../../apps/lab/src/commands/wait.ts";
import type { Lab } from "./harness.ts";

const byKind = Object.values(resources);

export class LabObjects implements Disposable {
  readonly #lab: string;
  readonly #client: KubeClient;
  readonly #stop = new AbortController();

  private constructor(lab: string, client: KubeClient) {
    this.#lab = lab;
    this.#client = client;
  }

  static async of(lab: Lab): Promise<LabObjects> {
    const { status, stdout, stderr } = await lab.lab("kubeconfig");
    assert.equal(status, 0, stderr);
    return new LabObjects(lab.name, KubeClient.fromKubeconfig(stdout.trim()));
  }

  async create(object: KubeObject): Promise<void> {
    await this.#client.create(resourceOf(object), object, { signal: this.#stop.signal });
  }

  async delete(object: KubeObject): Promise<void> {
    const { name = "", namespace } = object.metadata;
    const options = { namespace, signal: this.#stop.signal };
    assert.equal(await this.#client.delete(resourceOf(object), name, options), true, name);
  }

  /** A merge patch (RFC 7386). */
  async patch(object: KubeObject, patch: object): Promise<void> {
    const { name = "", namespace } = object.metadata;
    const options = { type: "merge", patch, namespace, signal: this.#stop.signal } as const;
    await this.#client.patch(resourceOf(object), name, options);
  }

  /** A merge patch of the status, as controllers write it. */
  async patchStatus(object: KubeObject, status: object): Promise<void> {
    const { name = "", namespace } = object.metadata;
    const options = { status, namespace, signal: this.#stop.signal };
    await this.#client.patchStatus(resourceOf(object), name, options);
  }

  /** `tsilium lab wait --for policy`: the very function that the command runs. */
  async inKernels(): Promise<void> {
    await wait(this.#lab, { for: "policy", timeout: 20_000 });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#client[Symbol.dispose]();
  }
}

function resourceOf({ kind, apiVersion }: KubeObject) {
  const found = byKind.find((each) => each.kind === kind);
  assert.ok(found, `no resource of kind ${kind} (${apiVersion})`);
  return found;
}
