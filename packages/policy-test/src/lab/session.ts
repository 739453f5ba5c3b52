// A probe inside a pod, a node or the world, kept open between questions.
import type { ChildProcessByStdio } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { TestError } from "../error.ts";
import type { Numbered, ProbeAnswer, ProbeRequest } from "./probe-protocol.ts";

export class ProbeSession {
  readonly #name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #waiting = new Map<number, (answer: ProbeAnswer) => void>();
  readonly #ended: Promise<void>;
  #lastNumber = 0;
  #complaint = "";
  #over = false;

  /** @param name whose it is, for errors */
  constructor(name: string, child: ChildProcessByStdio<Writable, Readable, Readable>) {
    this.#name = name;
    this.#child = child;
    child.stdin.on("error", () => {});
    child.stderr.setEncoding("utf8").on("data", (text: string) => (this.#complaint += text));
    createInterface({ input: child.stdout }).on("line", (line) => this.#receive(line));
    this.#ended = new Promise((resolve) => {
      child.on("error", (error) => (this.#complaint += error.message));
      child.on("close", () => {
        this.#over = true;
        for (const number of this.#waiting.keys())
          this.#settle(number, { kind: "failed", message: `it ended: ${this.#complaint.trim()}` });
        resolve();
      });
    });
  }

  /** Its process has ended: the pod is gone, or another in its place. */
  get over(): boolean {
    return this.#over;
  }

  /** @throws TestError lab_failed when it cannot do that, or ends */
  async request(
    request: ProbeRequest,
  ): Promise<ProbeAnswer & { readonly kind: "serving" | "reached" }> {
    const number = ++this.#lastNumber;
    const answer = await new Promise<ProbeAnswer>((resolve) => {
      if (this.#over) return resolve({ kind: "failed", message: "it has ended" });
      this.#waiting.set(number, resolve);
      const numbered: Numbered<ProbeRequest> = { number, ...request };
      this.#child.stdin.write(`${JSON.stringify(numbered)}\n`);
    });
    if (answer.kind !== "failed") return answer;
    throw new TestError("lab_failed", `the probe in ${this.#name}: ${answer.message}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    // The process in the pod may not see that its stdin is gone.
    this.#child.kill("SIGTERM");
    await this.#ended;
  }

  #receive(line: string): void {
    const { number, ...answer } = JSON.parse(line) as Numbered<ProbeAnswer>;
    this.#settle(number, answer as ProbeAnswer);
  }

  #settle(number: number, answer: ProbeAnswer): void {
    this.#waiting.get(number)?.(answer);
    this.#waiting.delete(number);
  }
}
