// A command in a lab, running beside a test until the test ends it.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { root, type Lab } from "./harness.ts";

export type PodCommand = {
  readonly namespace: string;
  readonly pod: string;
  readonly command: readonly string[];
};

/** One process, running until it is interrupted. */
export class Background implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = "";
  #changed = Promise.withResolvers<void>();

  /** In a pod. */
  static exec(lab: Lab, { namespace, pod, command }: PodCommand): Background {
    return new Background(lab, [
      "exec",
      "--name",
      lab.name,
      "-n",
      namespace,
      pod,
      "--",
      ...command,
    ]);
  }

  /** @param words of `tsilium lab` */
  constructor(lab: Lab, words: readonly string[]) {
    this.#child = spawn(join(root, "tsilium"), ["lab", ...words], {
      cwd: root,
      env: { ...process.env, TSILIUM_LAB: lab.name },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => this.#append(text));
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    void this.#ended.then(() => this.#append(""));
  }

  /** Resolves once its output matches. @throws Error when it ends before */
  async printed(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#output)) {
      if (this.#child.exitCode !== null) throw new Error(`it ended: ${this.#output}`);
      await this.#changed.promise;
    }
  }

  /** Interrupts it and answers with all it printed. */
  async end(): Promise<string> {
    if (this.#child.exitCode === null) this.#child.kill("SIGINT");
    await this.#ended;
    return this.#output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  #append(text: string): void {
    this.#output += text;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
