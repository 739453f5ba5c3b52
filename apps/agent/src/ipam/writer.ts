// Writes what has changed to the API server: soon, one write at a time, again until it is there.
import { KubeError } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import { RetryTimer } from "../retry-timer.ts";

export type WriterOptions = {
  readonly what: string;
  /** Compares and writes; nothing when nothing differs. */
  readonly write: (signal: AbortSignal) => Promise<void>;
  /** How long changes are gathered before they are written, milliseconds. */
  readonly gatherMs: number;
  readonly log: Logger;
  readonly stop: AbortSignal;
};

const patienceMs = 10_000;

export class Writer implements Disposable {
  readonly #options: WriterOptions;
  readonly #retry = new RetryTimer(() => this.poke());
  #timer: NodeJS.Timeout | undefined;
  #writing = false;
  #again = false;
  #error: string | undefined;

  constructor(options: WriterOptions) {
    this.#options = options;
    options.stop.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  /** Something may be worth writing. */
  poke(): void {
    if (this.#options.stop.aborted || this.#timer) return;
    if (this.#writing) {
      this.#again = true;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#write();
    }, this.#options.gatherMs);
  }

  /** What the last write failed with. */
  get error(): string | undefined {
    return this.#error;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retry[Symbol.dispose]();
  }

  async #write(): Promise<void> {
    const { what, write, log, stop } = this.#options;
    this.#writing = true;
    this.#again = false;
    try {
      await write(AbortSignal.any([stop, AbortSignal.timeout(patienceMs)]));
      this.#error = undefined;
      this.#retry.reset();
    } catch (error) {
      if (stop.aborted) return;
      this.#error = (error as Error).message;
      // Somebody else wrote: the watch brings what, and then it is looked at anew.
      const level = KubeError.isConflict(error) ? "debug" : "warn";
      log[level]({ error, what }, "cannot be written yet");
      this.#retry.start();
    } finally {
      this.#writing = false;
      if (this.#again) this.poke();
    }
  }
}
