// A probe (tests/native/probe.c) that stays in a pod or node and takes batch after batch: starting one costs more than all
// of its probes.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Lab, root } from "../harness.ts";

export type Target = {
  readonly protocol: "tcp" | "udp" | "icmp";
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
};

const payload = 32;

export class Prober implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";

  /** `words`: what follows `tsilium lab` to run a command there. */
  constructor(lab: Lab, name: string, words: readonly string[]) {
    this.name = name;
    const probe = [join(root, "dist/bin/probe"), "--batches"];
    this.#child = spawn(join(root, "tsilium"), ["lab", ...words, "--", ...probe], {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
    });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#complaint += text));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Tries them all at once. Answers which got through, by `targetKey`. */
  async probe(targets: readonly Target[]): Promise<ReadonlySet<string>> {
    const lines = targets.map(
      ({ protocol, address, port, timeoutMs }) =>
        `${protocol} ${address} ${port} ${payload} ${timeoutMs}\n`,
    );
    this.#child.stdin.write(`${lines.join("")}\n`);
    const through = new Set<string>();
    for (let answered = 0; ; answered++) {
      const { done, value: line } = await this.#lines.next();
      assert.ok(!done, `the probe of ${this.name} has ended: ${this.#complaint}`);
      if (line === "") {
        assert.equal(answered, targets.length, `answers to ${this.name}`);
        return through;
      }
      const [word, protocol, address, port] = line.split(" ");
      if (word === "ok") through.add(`${protocol} ${address} ${port}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
    await closed;
  }
}

export function targetKey({ protocol, address, port }: Omit<Target, "timeoutMs">): string {
  return `${protocol} ${address} ${port}`;
}
