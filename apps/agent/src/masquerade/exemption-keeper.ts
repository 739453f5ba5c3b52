// Keeps the kernel's table of destinations that are not masqueraded as ip-masq-agent's file says. A file that cannot be
// read or says nonsense changes nothing: what was in force stays.
import { type FSWatcher, readFileSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { Prefix } from "@tsilium/net";
import type { Logger, PartHealth } from "@tsilium/runtime";
import { parseExemptions } from "./parse.ts";

export type ExemptionKeeperOptions = {
  /** ip-masq-agent-config-path; need not be there. */
  readonly file: string;
  readonly table: { setExempt(prefixes: Iterable<Prefix>): void };
  readonly log: Logger;
};

/** Changes are told by the folder. One that is not there, or is another's by now, is looked for this often. */
const lookAgainMs = 5_000;
/** A volume of a ConfigMap changes by several steps. */
const settleMs = 50;
/** As large as a ConfigMap may be. */
const longestFile = 1 << 20;

export class ExemptionKeeper implements Disposable {
  readonly #options: ExemptionKeeperOptions;
  #watcher: FSWatcher | undefined;
  #watched = "";
  #timer: NodeJS.Timeout | undefined;
  #settling: NodeJS.Timeout | undefined;
  /** What was read last; null: nothing yet. */
  #text: string | undefined | null = null;
  /** Whether the kernel holds what the last good text says. */
  #isApplied = false;
  #health: Omit<PartHealth, "name"> = { state: "degraded", message: "its file was not read yet" };

  constructor(options: ExemptionKeeperOptions) {
    this.#options = options;
  }

  get health(): Omit<PartHealth, "name"> {
    return this.#health;
  }

  /** Reads the file, and goes on doing so whenever it changes. */
  start(): void {
    this.#look();
    this.#timer = setInterval(() => this.#look(), lookAgainMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    clearTimeout(this.#settling);
    this.#watcher?.close();
  }

  #look(): void {
    this.#watchFolder();
    this.#apply();
  }

  #watchFolder(): void {
    const folder = dirname(this.#options.file);
    const identity = identityOf(folder);
    if (identity === this.#watched) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = identity;
    if (identity === "") return;
    try {
      this.#watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(this.#settling);
        this.#settling = setTimeout(() => this.#apply(), settleMs).unref();
      }).on("error", () => (this.#watched = ""));
    } catch {
      // It went away just now, or no watch is left: the next look is soon.
      this.#watched = "";
    }
  }

  #apply(): void {
    const { file, table, log } = this.#options;
    try {
      const text = readText(file);
      if (text === this.#text && this.#isApplied) return;
      const isNews = text !== this.#text;
      this.#text = text;
      this.#isApplied = false;
      const { prefixes, isDefault, unknown } = parseExemptions(text);
      table.setExempt(prefixes);
      this.#isApplied = true;
      const where = isDefault ? `by default: ${file} is empty or not there` : `by ${file}`;
      const ignored = unknown.length > 0 ? `; unknown fields: ${unknown.join(", ")}` : "";
      this.#health = {
        state: "ok",
        message: `${prefixes.length} CIDRs not masqueraded, ${where}${ignored}`,
      };
      if (isNews)
        log.info(
          { file, prefixes: prefixes.map(String), unknown },
          "what is not masqueraded has changed",
        );
    } catch (error) {
      const message = `what was in force stays: ${file}: ${(error as Error).message}`;
      if (message !== this.#health.message)
        log.error({ file, error }, "what is not masqueraded stays as it was");
      this.#health = { state: "degraded", message };
    }
  }
}

/** Which folder stands at a path now; empty: none. */
function identityOf(folder: string): string {
  try {
    const { dev, ino } = statSync(folder);
    return `${dev}:${ino}`;
  } catch {
    return "";
  }
}

/** undefined: there is none. @throws Error */
function readText(file: string): string | undefined {
  try {
    const { size } = statSync(file);
    if (size > longestFile)
      throw new Error(`it has ${size} bytes, at most ${longestFile} are read`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
