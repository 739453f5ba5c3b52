// `tsilium monitor -o json` of a node, running beside a test.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { root, type Lab } from "./harness.ts";

/** A line of the monitor, as far as tests look at it. */
export type MonitorEvent = {
  readonly kind: "drop" | "trace" | "policy-verdict";
  readonly reason?: string;
  readonly verdict?: string;
  readonly rule?: { readonly number: number; readonly name?: string };
  readonly direction: string;
  readonly endpointId: number;
  readonly sourceIdentity: number;
  readonly summary: string;
  /** The first bytes of the frame, base64. */
  readonly packet: string;
};

/** Starts listening at once; `await using` ends it. What was sent before it listened may be missing. */
export class Monitor {
  readonly events: MonitorEvent[] = [];
  readonly #child: ChildProcess;
  #problem = "";

  constructor(lab: Lab, node: string, options: readonly string[] = []) {
    const words = ["--node", node, "monitor", "-o", "json", ...options];
    this.#child = spawn(join(root, "tsilium"), words, {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { stdout, stderr } = this.#child;
    if (!stdout || !stderr) throw new Error("the monitor has no output");
    createInterface({ input: stdout }).on("line", (line) => this.events.push(JSON.parse(line)));
    stderr.setEncoding("utf8").on("data", (text: string) => (this.#problem += text));
  }

  /**
   * Provokes an event until one is shown, then forgets them all: from now on none is missed.
   * @throws Error when none is shown within ten seconds
   */
  async listening(provoke: () => Promise<void>): Promise<void> {
    const deadline = Date.now() + 10_000;
    while (this.events.length === 0) {
      if (Date.now() > deadline) throw new Error("the monitor shows nothing");
      await provoke();
      await this.settle(1, 300);
    }
    this.events.length = 0;
  }

  /** Resolves once `count` events are there and a moment has passed for surplus ones, or when patience ends. */
  async settle(count: number, patienceMs = 5_000): Promise<void> {
    for (
      const deadline = Date.now() + patienceMs;
      this.events.length < count && Date.now() < deadline;
    ) {
      if (this.#child.exitCode !== null) throw new Error(`the monitor ended: ${this.#problem}`);
      await sleep(20);
    }
    await sleep(100);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("close", resolve));
    if (this.#child.exitCode === null && this.#child.kill("SIGTERM")) await ended;
  }
}
