// DELs that the plugin kept on disk while no agent listened. Each is the body it would have posted.
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "@tsilium/runtime";

export type DeleteQueueOptions = {
  readonly folder: string;
  /** Carries out a queued request; what it throws leaves the file for the next time. */
  readonly replay: (body: Uint8Array) => Promise<void>;
  readonly log: Logger;
};

/** A plugin that found nobody listening may queue in the very moment the agent begins to. */
const rescanMs = 10_000;

export class DeleteQueue implements Disposable {
  readonly #options: DeleteQueueOptions;
  #timer: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(options: DeleteQueueOptions) {
    this.#options = options;
    mkdirSync(options.folder, { recursive: true, mode: 0o700 });
  }

  /** Replays what is there, in the order it was queued. Answers how many it was. */
  async drain(): Promise<number> {
    if (this.#draining) return 0;
    this.#draining = true;
    try {
      const queued = this.#list();
      let replayed = 0;
      for (const name of queued) replayed += await this.#replay(name);
      return replayed;
    } finally {
      this.#draining = false;
    }
  }

  /** Drains again now and then. */
  start(): void {
    this.#timer = setInterval(() => void this.drain(), rescanMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #list(): string[] {
    return readdirSync(this.#options.folder)
      .filter((name) => name.endsWith(".cni"))
      .toSorted();
  }

  async #replay(name: string): Promise<number> {
    const { folder, replay, log } = this.#options;
    const path = join(folder, name);
    try {
      await replay(readFileSync(path));
      rmSync(path, { force: true });
      return 1;
    } catch (error) {
      log.warn({ file: path, error }, "a queued DEL could not be replayed");
      return 0;
    }
  }
}
