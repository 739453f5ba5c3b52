// kubectl as a test drives it: a path, a namespace, and what it must print.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Result, run, type RunOptions } from "./harness.ts";

export type KubectlOptions = {
  readonly path: string;
  readonly lab: string;
  readonly namespace: string;
  /** Where the files are that commands name with -f. */
  readonly folder: string;
};

export class Kubectl {
  readonly #options: KubectlOptions;

  constructor(options: KubectlOptions) {
    this.#options = options;
  }

  run(words: readonly string[], options: RunOptions = {}): Promise<Result> {
    const env = { ...this.#environment(), ...options.env };
    return run(this.#options.path, this.#words(words), { timeoutMs: 40_000, ...options, env });
  }

  /** What a command prints that must succeed. */
  async ok(words: readonly string[], env: Record<string, string> = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(words, { env });
    assert.equal(status, 0, `kubectl ${words.join(" ")}: ${stderr}${stdout}`);
    return stdout;
  }

  /** A text is compared without what differs from run to run, and without the last end of line. */
  async prints(
    words: readonly string[],
    expected: string | RegExp,
    env: Record<string, string> = {},
  ): Promise<void> {
    const printed = await this.ok(words, env);
    const what = `kubectl ${words.join(" ")}`;
    if (typeof expected === "string")
      assert.equal(plain(printed).trimEnd(), plain(expected).trimEnd(), what);
    else assert.match(printed, expected, what);
  }

  /** What it says on stderr, when it must not succeed. */
  async fails(words: readonly string[], expected: RegExp): Promise<void> {
    const { status, stdout, stderr } = await this.run(words);
    assert.notEqual(status, 0, `kubectl ${words.join(" ")}: ${stdout}`);
    assert.match(stderr, expected, `kubectl ${words.join(" ")}`);
  }

  /** A command that goes on until it is stopped. */
  watch(words: readonly string[]): Watched {
    const env = { ...process.env, ...this.#environment() };
    return new Watched(spawn(this.#options.path, this.#words(words), { env }));
  }

  /** Runs it on a terminal of this size: what the terminal shows. */
  async onTerminal(
    words: readonly string[],
    { rows, columns }: { readonly rows: number; readonly columns: number },
  ): Promise<string> {
    const quoted = [this.#options.path, ...this.#words(words)]
      .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      .join(" ");
    // script(1) is the terminal; without one of its own it begins with no size.
    const command = `stty rows ${rows} cols ${columns}; ${quoted}`;
    const { stdout } = await run("script", ["-qec", command, "/dev/null"], {
      env: this.#environment(),
      timeoutMs: 20_000,
    });
    return stdout;
  }

  write(name: string, object: object): void {
    writeFileSync(this.#file(name), JSON.stringify(object));
  }

  #file(name: string): string {
    return name.startsWith("shared-")
      ? join(this.#options.folder, `${this.#options.namespace}-${name}`)
      : join(this.#options.folder, name);
  }

  #words(words: readonly string[]): string[] {
    const named = words.map((word, at) =>
      words[at - 1] === "-f" && word.includes(".") ? this.#file(word) : word,
    );
    return ["-n", this.#options.namespace, ...named];
  }

  #environment(): Record<string, string> {
    return {
      KUBECONFIG: `/var/run/tsilium/lab/${this.#options.lab}/kubeconfig`,
      // Its caches; several of them at once must not meet in the user's.
      HOME: join(this.#options.folder, this.#options.namespace),
    };
  }
}

class Watched {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #printed = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => child.once("close", resolve));
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.#printed += text));
  }

  /** Waits for something to be printed: the match. */
  async until(expected: RegExp): Promise<RegExpExecArray> {
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await sleep(20)) {
      const found = expected.exec(this.#printed);
      if (found) return found;
    }
    return assert.fail(`${this.#printed} does not match ${expected}`);
  }

  /** Ends it; all that it has printed. */
  async stop(): Promise<string> {
    this.#child.kill("SIGTERM");
    await this.#ended;
    return this.#printed;
  }
}

/** Names, ages and the width of columns that follow from them, as words. */
export function plain(text: string): string {
  return text
    .replace(/web-[a-z0-9]{10}-[a-z0-9]{5}\b/g, "web-HASH-POD")
    .replace(/web-[a-z0-9]{10}\b/g, "web-HASH")
    .replace(/(?<= )(\d+[smh])+(?=\n|$)/g, "AGE")
    .replace(/ +$/gm, "")
    .replace(/ {2,}/g, "  ");
}
