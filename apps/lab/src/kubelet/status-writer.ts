// Writes one pod's status: the latest state, one request at a time, however fast the states follow.
import { type KubeClient, KubeError, type Pod, type PodStatus, resources } from "@tsilium/kube";
import { setTimeout as sleep } from "node:timers/promises";

export class StatusWriter {
  readonly #client: KubeClient;
  readonly #signal: AbortSignal;
  readonly #pod: Pod;
  #wanted: (() => PodStatus) | undefined;
  #written = "";
  #running: Promise<void> | undefined;

  constructor(client: KubeClient, pod: Pod, signal: AbortSignal) {
    this.#client = client;
    this.#pod = pod;
    this.#signal = signal;
  }

  /** Has the status written soon, as `compute` answers by then. */
  schedule(compute: () => PodStatus): void {
    this.#wanted = compute;
    this.#running ??= Promise.resolve().then(() => this.#drain());
  }

  /** Resolves when what was scheduled has been written (or cannot be). */
  async flushed(): Promise<void> {
    await this.#running;
  }

  async #drain(): Promise<void> {
    for (let delayMs = 50; this.#wanted && !this.#signal.aborted;) {
      const status = this.#wanted();
      this.#wanted = undefined;
      const done = await this.#write(status);
      if (done) continue;
      this.#wanted ??= () => status;
      await sleep(delayMs, undefined, { signal: this.#signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, 2000);
    }
    this.#running = undefined;
  }

  async #write(status: PodStatus): Promise<boolean> {
    const text = JSON.stringify(status);
    if (text === this.#written) return true;
    const { name = "", namespace, uid } = this.#pod.metadata;
    try {
      // The UID makes it a conflict when another pod has the name by now.
      await this.#client.patch(resources.pods, name, {
        type: "merge",
        namespace,
        subresource: "status",
        patch: { metadata: { uid }, status },
        signal: this.#signal,
      });
      this.#written = text;
      return true;
    } catch (error) {
      // A pod that is gone, or another one of the same name, has no use for it.
      return (
        error instanceof KubeError &&
        error.status >= 400 &&
        error.status < 500 &&
        error.status !== 429
      );
    }
  }
}
