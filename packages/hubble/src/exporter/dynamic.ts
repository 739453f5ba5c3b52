// Flow logs that come and go with a file (a mounted ConfigMap): read every few seconds, since a mount that is swapped
// under its path tells no watcher. A file that cannot be used leaves in force what was.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Logger } from "@tsilium/runtime";
import type { Flow, LostEvents } from "../model.ts";
import { type FlowLogConfig, parseFlowLogs } from "./config.ts";
import type { FlowLog } from "./flow-log.ts";

export type DynamicOptions = {
  readonly path: string;
  readonly open: (config: FlowLogConfig) => FlowLog;
  readonly log: Logger;
  readonly intervalMs?: number;
  readonly now?: () => number;
};

type Entry = { readonly config: FlowLogConfig; readonly flowLog: FlowLog };

export class DynamicFlowLogs implements AsyncDisposable {
  readonly #options: DynamicOptions;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  #active: readonly FlowLog[] = [];
  /** The file's text, or why there is none. */
  #text: string | undefined;
  #unreadable: string | undefined;
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();
  #stopped = false;
  /** What was applied last; `hash` as a number, for a gauge. */
  #applied: { readonly hash: number; readonly atMs: number } | undefined;
  readonly reconfigurations = { add: 0, update: 0, remove: 0 };

  constructor(options: DynamicOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Begins; resolves when the file has been read once. */
  async start(): Promise<void> {
    await this.refresh();
    this.#timer = setInterval(() => void this.refresh(), this.#options.intervalMs ?? 5000).unref();
  }

  note(flow: Flow): void {
    for (const flowLog of this.#active) flowLog.note(flow);
  }

  noteLost(lost: LostEvents, nodeName: string): void {
    for (const flowLog of this.#active) flowLog.noteLost(lost, nodeName);
  }

  /** Reads the file if it has changed, and sees who is on. */
  refresh(): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      if (this.#stopped) return;
      await this.#readFile();
      this.#choose();
    });
    return this.#reading;
  }

  /** Why what the file says now is not in force; undefined: it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get status(): {
    readonly applied: { readonly hash: number; readonly atMs: number } | undefined;
    readonly logs: readonly {
      readonly name: string;
      readonly active: boolean;
      readonly flowLog: FlowLog;
    }[];
  } {
    const logs = [...this.#entries.values()].map(({ config, flowLog }) => ({
      name: config.name,
      active: this.#isActive(config),
      flowLog,
    }));
    return { applied: this.#applied, logs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#reading;
    this.#active = [];
    await Promise.all(
      [...this.#entries.values()].map(({ flowLog }) => flowLog[Symbol.asyncDispose]()),
    );
    this.#entries.clear();
  }

  async #readFile(): Promise<void> {
    const { path, log } = this.#options;
    try {
      const text = await this.#changedText();
      if (text === undefined) return;
      await this.#apply(parseFlowLogs(text));
      const digest = createHash("sha256").update(text).digest();
      this.#applied = { hash: digest.readUIntBE(0, 6), atMs: this.#now() };
      this.#problem = undefined;
      log.info({ path, flowLogs: [...this.#entries.keys()] }, "flow logs configured");
    } catch (error) {
      const { message } = error as Error;
      this.#problem = `flow logs are not changed: ${message.includes(path) ? message : `${path}: ${message}`}`;
      log.warn({ path, error }, "flow logs are not changed");
    }
  }

  /** undefined: as before. @throws Error once for each reason why the file cannot be read */
  async #changedText(): Promise<string | undefined> {
    try {
      const text = await readFile(this.#options.path, "utf8");
      this.#unreadable = undefined;
      if (text === this.#text) return undefined;
      this.#text = text;
      return text;
    } catch (error) {
      const { message } = error as Error;
      if (message === this.#unreadable) return undefined;
      this.#unreadable = message;
      // When it is back it is looked at, also where it says the same.
      this.#text = undefined;
      throw error;
    }
  }

  /** All or nothing: a log that cannot be opened leaves the others as they were. */
  async #apply(configs: readonly FlowLogConfig[]): Promise<void> {
    const changed = configs.filter(
      ({ name, text }) => this.#entries.get(name)?.config.text !== text,
    );
    const names = new Set(configs.map(({ name }) => name));
    const removed = [...this.#entries.keys()].filter((name) => !names.has(name));
    const opened = changed.map((config) => ({ config, flowLog: this.#options.open(config) }));
    const replaced = [...removed, ...changed.map(({ name }) => name)].flatMap((name) => {
      const entry = this.#entries.get(name);
      return entry ? [entry] : [];
    });
    for (const name of removed) this.#entries.delete(name);
    this.reconfigurations.remove += removed.length;
    for (const entry of opened) {
      this.reconfigurations[this.#entries.has(entry.config.name) ? "update" : "add"]++;
      this.#entries.set(entry.config.name, entry);
    }
    this.#choose();
    await Promise.all(replaced.map(({ flowLog }) => flowLog[Symbol.asyncDispose]()));
  }

  #choose(): void {
    this.#active = [...this.#entries.values()]
      .filter(({ config }) => this.#isActive(config))
      .map(({ flowLog }) => flowLog);
  }

  #isActive({ startMs, endMs }: FlowLogConfig): boolean {
    const nowMs = this.#now();
    return (startMs === undefined || startMs <= nowMs) && (endMs === undefined || nowMs < endMs);
  }
}
