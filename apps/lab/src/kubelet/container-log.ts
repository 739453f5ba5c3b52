// A container's log on disk (native/log.h writes it), read as `kubectl logs` wants it.
//
//   2026-01-02T03:04:05.000000006Z stdout F a line
import { createReadStream, statSync, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

export type LogEntry = {
  /** As written, with nanoseconds. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** The line goes on in the stream's next entry, or ended without a newline. */
  readonly partial: boolean;
  readonly text: Buffer;
};

export type LogOptions = {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly tailLines?: number | undefined;
  readonly limitBytes?: number | undefined;
  /** Milliseconds since 1970; older entries are left out. */
  readonly since?: number | undefined;
};

const newline = Buffer.from("\n");

/** One entry, without its newline; undefined for what nobody of ours has written. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  const found = /^(\S{20,40}) (stdout|stderr) ([FP]) /.exec(line.toString("latin1", 0, 64));
  if (!found) return undefined;
  const [head, time = "", stream, tag] = found;
  return {
    time,
    stream: stream as LogEntry["stream"],
    partial: tag === "P",
    text: line.subarray(head.length),
  };
}

/** What a client sees of an entry. */
export function showEntry(entry: LogEntry, timestamps: boolean): Buffer {
  const parts = [entry.text, ...(entry.partial ? [] : [newline])];
  return Buffer.concat(timestamps ? [Buffer.from(`${entry.time} `), ...parts] : parts);
}

/**
 * The log's text. With `follow` it goes on until the signal aborts, or `ended` says that no more will come.
 * @throws Error when there is no such file
 */
export async function* readLog(
  path: string,
  options: LogOptions,
  life: { readonly signal: AbortSignal; readonly ended: Promise<unknown> },
): AsyncGenerator<Buffer> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  const { timestamps = false, since = 0 } = options;
  // A line that is written in parts shows its time once.
  let begun = false;
  for await (const entry of readEntries(path, options, life)) {
    if (since > 0 && Date.parse(entry.time) < since) continue;
    const shown = showEntry(entry, timestamps && !begun).subarray(0, left);
    begun = entry.partial;
    if (shown.length === 0) return;
    left -= shown.length;
    yield shown;
  }
}

/** Like `readLog`, entry by entry. */
export async function* readEntries(
  path: string,
  { follow = false, tailLines }: LogOptions,
  life: { readonly signal: AbortSignal; readonly ended: Promise<unknown> },
): AsyncGenerator<LogEntry> {
  const start = tailLines === undefined ? 0 : await tailOffset(path, tailLines);
  const lines = follow ? followLines(path, start, life) : fileLines(path, start, life.signal);
  for await (const line of lines) {
    const entry = parseEntry(line);
    if (entry) yield entry;
  }
}

async function* fileLines(
  path: string,
  start: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const splitter = new LineSplitter();
  for await (const chunk of createReadStream(path, { start, signal }))
    yield* splitter.push(chunk as Buffer);
}

/** Lines that are there and those that come, also when the file is replaced by a new one (native/log.h rotates). */
async function* followLines(
  path: string,
  start: number,
  { signal, ended }: { readonly signal: AbortSignal; readonly ended: Promise<unknown> },
): AsyncGenerator<Buffer> {
  const over = new AbortController();
  const finish = () => over.abort();
  void ended.then(finish);
  signal.addEventListener("abort", finish, { once: true });
  let file = await open(path);
  let at = start;
  const splitter = new LineSplitter();
  const watcher = watch(path.slice(0, path.lastIndexOf("/")), { persistent: false });
  let changed = Promise.withResolvers<void>();
  watcher.on("change", () => changed.resolve());
  watcher.on("error", finish);
  over.signal.addEventListener("abort", () => changed.resolve(), { once: true });
  try {
    for (;;) {
      // Asked before reading: what is written in between is seen in the next round.
      const last = over.signal.aborted;
      changed = Promise.withResolvers();
      if (last) changed.resolve();
      for (let chunk = await readAt(file, at); chunk.length > 0; chunk = await readAt(file, at)) {
        at += chunk.length;
        yield* splitter.push(chunk);
        if (signal.aborted) return;
      }
      const current = statSync(path, { throwIfNoEntry: false });
      if (current && current.ino !== (await file.stat()).ino) {
        // All of the old one has been read, or is read now that nobody writes to it.
        const rest = await readAt(file, at);
        if (rest.length > 0) yield* splitter.push(rest);
        await file.close();
        file = await open(path);
        at = 0;
        continue;
      }
      if (last || !current) return;
      await changed.promise;
    }
  } finally {
    watcher.close();
    await file.close();
    signal.removeEventListener("abort", finish);
  }
}

async function readAt(file: FileHandle, position: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read({
    buffer: Buffer.allocUnsafe(64 * 1024),
    position,
  });
  return buffer.subarray(0, bytesRead);
}

const tailBlockBytes = 64 * 1024;

/**
 * Where the last `lines` lines begin. A line in parts counts once: its parts end with one that is whole, and what stands
 * between two whole ones is one line.
 */
async function tailOffset(path: string, lines: number): Promise<number> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    if (lines === 0) return size;
    let wholeEnds = 0;
    let end = size;
    let block: Buffer = Buffer.alloc(0);
    // Backwards, block by block; lines are looked at once their beginning has been read.
    while (end > 0) {
      const from = Math.max(0, end - tailBlockBytes);
      const { buffer } = await file.read({ buffer: Buffer.alloc(end - from), position: from });
      block = Buffer.concat([buffer, block]);
      end = from;
      let lineEnd = block.lastIndexOf(0x0a) + 1;
      while (lineEnd > 0) {
        const before = lineEnd >= 2 ? block.lastIndexOf(0x0a, lineEnd - 2) : -1;
        if (before < 0 && from > 0) break;
        const entry = parseEntry(block.subarray(before + 1, lineEnd - 1));
        const atEnd = from + lineEnd === size;
        if (entry && (!entry.partial || atEnd) && ++wholeEnds > lines) return from + lineEnd;
        lineEnd = before + 1;
      }
      block = block.subarray(0, lineEnd);
    }
    return 0;
  } finally {
    await file.close();
  }
}

class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  *push(chunk: Buffer): Generator<Buffer> {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, at)) {
      yield bytes.subarray(at, end);
      at = end + 1;
    }
    this.#rest = bytes.subarray(at);
  }
}
