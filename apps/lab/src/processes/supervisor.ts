// All long-running processes of a lab.
import { readFileSync } from "node:fs";
import { LabError } from "../error.ts";
import { type ProcessReport, type ProcessSpec, Supervised } from "./supervised.ts";

/** A process that ends this often while the lab starts will not do any better. */
const hopelessRestarts = 3;

export class Supervisor {
  readonly #processes = new Map<string, Supervised>();
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  /** Starts a process and keeps it running. */
  start(spec: ProcessSpec): void {
    const process = new Supervised(spec, this.#changed);
    this.#processes.set(spec.name, process);
    process.start();
  }

  reports(): ProcessReport[] {
    return [...this.#processes.values()].map((process) => process.report());
  }

  /** No more restarts. */
  abandon(): void {
    for (const process of this.#processes.values()) process.abandon();
  }

  /** @throws LabError "start_failed" for a process that ends again and again, with the end of its log */
  check(): void {
    const hopeless = this.reports().find(({ restarts }) => restarts >= hopelessRestarts);
    if (!hopeless) return;
    throw new LabError(
      "start_failed",
      `${hopeless.name} keeps ending (${hopeless.exit}); its last words:\n${lastLines(hopeless.log)}`,
    );
  }
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-8).join("\n");
  } catch {
    return "(none)";
  }
}
