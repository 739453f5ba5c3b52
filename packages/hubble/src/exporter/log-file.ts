// A log file that is written in the background and rotated by size. It goes on through everything that happens to log
// files: a full disk (what waits is written when there is room again, a line that was cut off is completed), removal,
// renaming or truncation by others (the file is made anew), a folder that is not there yet.
import { type FileHandle, mkdir, open, rename, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Logger } from "@tsilium/runtime";
import { backupName, tidyBackups } from "./backups.ts";
import type { Sink, SinkStats } from "./sink.ts";

export type LogFileOptions = {
  readonly path: string;
  /** Size at which the file is rotated. A line that is longer has a file of its own. */
  readonly maxBytes: number;
  /** Rotated files that are kept; 0: all. */
  readonly maxBackups: number;
  /** gzip them. */
  readonly compress: boolean;
  /** Lines that wait to be written, in bytes; what comes beyond is lost. */
  readonly queueBytes?: number;
  readonly log: Logger;
};

const defaultQueueBytes = 8 * 1024 * 1024;
/** Lines wait that long for more, so that a write is many of them. */
const delayMs = 50;
const retryMs = 1000;
/** Of one write. In a flood the thread comes back to writing only between turns of some thousand flows. */
const chunkBytes = 4 * 1024 * 1024;

export class LogFile implements Sink {
  readonly #options: LogFileOptions;
  readonly #queueBytes: number;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #chunk: Chunk | undefined;
  #file: { readonly handle: FileHandle; readonly inode: string; size: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #tidying: Promise<void> = Promise.resolve();
  #closed = false;
  #written = 0;
  #lost = 0;
  #error: string | undefined;

  constructor(options: LogFileOptions) {
    this.#options = options;
    this.#queueBytes = options.queueBytes ?? defaultQueueBytes;
  }

  get stats(): SinkStats {
    return { written: this.#written, lost: this.#lost, error: this.#error };
  }

  write(line: string): boolean {
    const bytes = Buffer.from(`${line}\n`);
    if (this.#closed || this.#queuedBytes + bytes.length > this.#queueBytes) {
      this.#lost++;
      return false;
    }
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#schedule(delayMs);
    return true;
  }

  /** Resolves when everything taken so far is in the file, or cannot be written now. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#working;
    await this.#work();
  }

  /** Writes what can be written; the rest counts as lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.flush();
    clearTimeout(this.#timer);
    await this.#close();
    this.#lost += this.#queue.length + (this.#chunk?.lines ?? 0);
    await this.#tidying;
  }

  #schedule(afterMs: number): void {
    if (this.#timer !== undefined || this.#working || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#work();
    }, afterMs).unref();
  }

  #work(): Promise<void> {
    this.#working ??= this.#drain().finally(() => {
      this.#working = undefined;
      if (this.#chunk || this.#queue.length > 0)
        this.#schedule(this.#error === undefined ? delayMs : retryMs);
    });
    return this.#working;
  }

  async #drain(): Promise<void> {
    try {
      while (this.#chunk || this.#queue.length > 0) await this.#writeChunk();
      if (this.#error !== undefined)
        this.#options.log.info({ path: this.#options.path }, "flow log is written again");
      this.#error = undefined;
    } catch (error) {
      const { message } = error as Error;
      if (this.#error !== message)
        this.#options.log.warn({ path: this.#options.path, error }, "cannot write flow log");
      this.#error = message;
    }
  }

  async #writeChunk(): Promise<void> {
    const file = await this.#openFile();
    const chunk = (this.#chunk ??= this.#takeChunk(this.#options.maxBytes - file.size));
    if (!chunk) {
      await this.#rotate();
      return;
    }
    while (chunk.from < chunk.bytes.length) {
      const { bytesWritten } = await file.handle.write(chunk.bytes, chunk.from);
      chunk.from += bytesWritten;
      file.size += bytesWritten;
    }
    this.#written += chunk.lines;
    this.#chunk = undefined;
  }

  /** Lines that fit into what is left of the file; undefined: it is full. */
  #takeChunk(room: number): Chunk | undefined {
    let bytes = 0;
    let lines = 0;
    while (lines < this.#queue.length && bytes < chunkBytes) {
      const { length } = this.#queue[lines] as Buffer;
      const startsFile = bytes === 0 && room >= this.#options.maxBytes;
      if (bytes + length > room && !startsFile) break;
      bytes += length;
      lines++;
    }
    if (lines === 0) return undefined;
    this.#queuedBytes -= bytes;
    return { bytes: Buffer.concat(this.#queue.splice(0, lines)), lines, from: 0 };
  }

  /** The open file; opened again when the path is another's or nobody's by now. */
  async #openFile() {
    const { path } = this.#options;
    if (this.#file) {
      const now = await stat(path).then(
        (found) => ({ inode: `${found.dev}:${found.ino}`, size: found.size }),
        () => undefined,
      );
      if (now?.inode === this.#file.inode) {
        // Somebody may have emptied it.
        this.#file.size = now.size;
        return this.#file;
      }
      await this.#close();
    }
    await mkdir(dirname(path), { recursive: true });
    const handle = await open(path, "a", 0o600);
    const { dev, ino, size } = await handle.stat();
    this.#file = { handle, inode: `${dev}:${ino}`, size };
    return this.#file;
  }

  async #rotate(): Promise<void> {
    const { path, maxBackups: keep, compress, log } = this.#options;
    await this.#close();
    await rename(path, await this.#freeName());
    this.#tidying = this.#tidying
      .then(() => tidyBackups(path, { keep, compress }))
      .catch((error: unknown) => log.warn({ path, error }, "cannot tidy up rotated flow logs"));
  }

  async #freeName(): Promise<string> {
    const nowMs = Date.now();
    for (let attempt = 0; ; attempt++) {
      const name = backupName(this.#options.path, nowMs, attempt);
      const taken = await Promise.all(
        [name, `${name}.gz`].map((each) => stat(each).catch(() => undefined)),
      );
      if (taken.every((found) => found === undefined)) return name;
    }
  }

  async #close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (this.#chunk) this.#forgetWritten(this.#chunk);
    await file?.handle.close().catch(() => undefined);
  }

  /** Lines must be whole in the file where they begin: what was cut off begins again in the next one. */
  #forgetWritten({ bytes, lines, from }: Chunk): void {
    let done = 0;
    let begin = 0;
    for (let end = bytes.indexOf(10); end >= 0 && end < from; end = bytes.indexOf(10, begin)) {
      done++;
      begin = end + 1;
    }
    this.#written += done;
    this.#chunk = { bytes: bytes.subarray(begin), lines: lines - done, from: 0 };
  }
}

/** Whole lines, of which `from` bytes are in the file. */
type Chunk = { readonly bytes: Buffer; readonly lines: number; from: number };
