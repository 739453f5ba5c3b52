// A program of a test that stays in a pod and is asked line by line: starting one costs more than most of what it is asked.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Lab, root } from "../harness.ts";

/** `await using worker = Worker.inPod(...)`: JSON in, JSON out, a line each, in turn. */
export class Worker implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #complaint = "";

  /** @param program a file of tests/e2e/l7 */
  static inPod(
    lab: Lab,
    pod: { readonly namespace: string; readonly name: string },
    program: string,
    ...args: readonly string[]
  ): Worker {
    const file = join(import.meta.dirname, program);
    const words = ["exec", "-n", pod.namespace, pod.name, "--", process.execPath, file];
    return new Worker(lab, [...words, ...args]);
  }

  static inWorld(lab: Lab, program: string, ...args: readonly string[]): Worker {
    const file = join(import.meta.dirname, program);
    return new Worker(lab, ["world", "exec", "--", process.execPath, file, ...args]);
  }

  /** @param words what follows `tsilium lab` to run it there */
  constructor(lab: Lab, words: readonly string[]) {
    this.#child = spawn(join(root, "tsilium"), ["lab", ...words], {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
    });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#complaint += text));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask<T>(question: object): Promise<T> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const { done, value } = await this.#lines.next();
    assert.ok(!done, `the program has ended: ${this.#complaint}`);
    return JSON.parse(value) as T;
  }

  /** Its next line, without a question. */
  async told<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    assert.ok(!done, `the program has ended: ${this.#complaint}`);
    return JSON.parse(value) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = new Promise((resolve) => this.#child.once("close", resolve));
    this.#child.stdin.end();
    this.#child.kill("SIGTERM");
    await closed;
  }
}
