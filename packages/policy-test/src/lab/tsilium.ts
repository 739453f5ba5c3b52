// The `tsilium` command, by which a lab is driven: the same words as a user's.
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { TestError } from "../error.ts";

export type CommandResult = {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** One lab's commands. */
export class Tsilium {
  readonly path: string;
  readonly lab: string;

  /** @param path of the executable; else $TSILIUM, else the first in PATH, else that of this repository */
  constructor(lab: string, path: string | undefined) {
    this.lab = lab;
    this.path = path ?? findTsilium();
  }

  /** `tsilium WORDS...` in the lab's context. @throws TestError lab_failed when it ends with another status than 0 */
  async run(words: readonly string[], input = ""): Promise<string> {
    const { status, stdout, stderr } = await this.tryRun(words, input);
    if (status === 0) return stdout;
    throw new TestError(
      "lab_failed",
      `tsilium ${words.join(" ")}: ${stderr.trim() || stdout.trim()}`,
    );
  }

  async tryRun(words: readonly string[], input = ""): Promise<CommandResult> {
    const child = this.start(words);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    // A command that does not read its input is no failure of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ status: code ?? 128, stdout, stderr }));
    });
  }

  /** `tsilium lab WORDS...`, as a process to talk to. */
  start(words: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
    return spawn(this.path, words, {
      env: { ...process.env, TSILIUM_LAB: this.lab },
      stdio: ["pipe", "pipe", "pipe"],
    });
  }
}

function findTsilium(): string {
  const candidates = [
    process.env["TSILIUM"],
    ...(process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "tsilium")),
    ...ancestors(import.meta.dirname).map((folder) => join(folder, "tsilium")),
  ];
  const found = candidates.find((path) => path !== undefined && path !== "" && existsSync(path));
  if (found !== undefined) return found;
  throw new TestError(
    "lab_failed",
    "there is no `tsilium` in PATH: a lab needs one ($TSILIUM may name it)",
  );
}

function ancestors(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}
