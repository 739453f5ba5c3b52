// A program in a pod that stays, started past the commands: those take a process of Node's and the API server for each, and
// the API server may be dead.
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { root } from "../e2e/harness.ts";
import type { Member } from "./cast.ts";
import type { Cluster } from "./cluster.ts";

export class PodProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #output = "";
  #changed = Promise.withResolvers<void>();

  constructor(cluster: Cluster, member: Member, command: readonly string[]) {
    const cgroup = join(cluster.layout.cgroup, member.node, "pods", member.uid);
    const place = ["exec", "--target", String(member.pid), "--cgroup", cgroup, "--"];
    this.#child = spawn(join(root, "dist/bin/lab-runner"), [...place, ...command], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child.stdin?.on("error", () => undefined);
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

  write(text: string): void {
    this.#child.stdin?.write(text);
  }

  /** Interrupts it, or ends its input, and answers with all it printed. */
  async end(how: "interrupt" | "end of input" = "interrupt"): Promise<string> {
    if (how === "end of input") this.#child.stdin?.end();
    else if (this.#child.exitCode === null) this.#child.kill("SIGINT");
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
