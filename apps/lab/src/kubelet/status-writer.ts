// Writes one pod's status: the latest state, one request at a time, however fast the states follow.
import type { Slots } from "./slots.ts";
import { type KubeClient, KubeError, type Pod, type PodStatus, resources } from "@tsilium/kube";
import { setTimeout as sleep } from "node:timers/promises";

export type StatusWriterContext = {
  readonly client: KubeClient;
  /** Shared with other writers: requests at once. */
  readonly requests: Slots;
  readonly signal: AbortSignal;
};

export class StatusWriter {
  readonly #context: StatusWriterContext;
  readonly #pod: Pod;
  #wanted: (() => PodStatus) | undefined;
  #written = "";
  #running: Promise<void> | undefined;

  constructor(pod: Pod, context: StatusWriterContext) {
    this.#pod = pod;
    this.#context = context;
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
    const { requests, signal } = this.#context;
    for (let delayMs = 50; this.#wanted && !signal.aborted;) {
      let status: PodStatus | undefined;
      // As of the moment of writing, which may be a while from now.
      const done = await requests.run(() => {
        status = this.#wanted?.();
        this.#wanted = undefined;
        return status ? this.#write(status) : Promise.resolve(true);
      });
      if (done || !status) continue;
      const failed = status;
      this.#wanted ??= () => failed;
      await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      delayMs = Math.min(delayMs * 2, 2000);
    }
    this.#running = undefined;
  }

  async #write(status: PodStatus): Promise<boolean> {
    const text = JSON.stringify(status);
    if (text === this.#written) return true;
    const { client, signal } = this.#context;
    const { name = "", namespace, uid } = this.#pod.metadata;
    try {
      // The UID makes it a conflict when another pod has the name by now.
      await client.patch(resources.pods, name, {
        type: "merge",
        namespace,
        subresource: "status",
        patch: { metadata: { uid }, status },
        signal,
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
