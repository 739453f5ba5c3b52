// Where audit events go: a file with one JSON document per line, of bounded size.
import { closeSync, fstatSync, openSync, renameSync, writeSync } from "node:fs";
import type { AuditEvent } from "./event.ts";

export type AuditLogOptions = {
  /** Made, readable by its owner alone, when it is not there. */
  readonly path: string;
  /** Beyond so many bytes the file becomes PATH.1, that one PATH.2, and so on. */
  readonly maxBytes: number;
  /** How many such files are kept beside the one that is written. */
  readonly maxBackups: number;
  /** Told when the disk refuses; what was to be written is lost then, and counted. */
  readonly onFault: (error: unknown) => void;
};

export class AuditLog implements Disposable {
  readonly #options: AuditLogOptions;
  #file: number;
  #size: number;
  #lines: string[] = [];
  #lost = 0;

  /** @throws Error of the file system when the file cannot be opened. */
  constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#file = openSync(options.path, "a", 0o600);
    this.#size = fstatSync(this.#file).size;
  }

  /** Events that were not written because the disk refused. */
  get lostEvents(): number {
    return this.#lost;
  }

  /** All events of one turn of the event loop are written together. */
  write(event: AuditEvent): void {
    this.#lines.push(`${JSON.stringify(event)}\n`);
    if (this.#lines.length === 1) setImmediate(() => this.#flush());
  }

  [Symbol.dispose](): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    const lines = this.#lines;
    if (lines.length === 0) return;
    this.#lines = [];
    const bytes = Buffer.from(lines.join(""));
    try {
      if (this.#size > 0 && this.#size + bytes.length > this.#options.maxBytes) this.#rotate();
      for (let from = 0; from < bytes.length;) from += writeSync(this.#file, bytes, from);
      this.#size += bytes.length;
    } catch (error) {
      this.#lost += lines.length;
      this.#options.onFault(error);
    }
  }

  #rotate(): void {
    const { path, maxBackups } = this.#options;
    for (let number = maxBackups; number >= 1; number--) {
      try {
        renameSync(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    const next = openSync(path, maxBackups > 0 ? "a" : "w", 0o600);
    closeSync(this.#file);
    this.#file = next;
    this.#size = fstatSync(next).size;
  }
}
