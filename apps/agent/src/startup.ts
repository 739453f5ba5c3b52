// What the agent is waiting for while it starts, for everybody who asks too early.
import type { Logger, PartHealth } from "@tsilium/runtime";

export class Startup {
  readonly #log: Logger;
  readonly #startedAt = performance.now();
  #step = "reading its configuration";
  #readyMs: number | undefined;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** The agent now waits for, or does, this. */
  step(step: string): void {
    this.#step = step;
    this.#log.info({ step }, "starting");
  }

  ready(): void {
    this.#readyMs = Math.round(performance.now() - this.#startedAt);
    this.#log.info({ durationMs: this.#readyMs }, "ready");
  }

  /** What is being waited for. */
  get current(): string {
    return this.#step;
  }

  health(): Omit<PartHealth, "name"> {
    return this.#readyMs === undefined
      ? { state: "failed", message: `starting: ${this.#step}` }
      : { state: "ok", message: `started in ${this.#readyMs} ms` };
  }
}
