// Names on disk, `<run-dir>/fqdn/names.jsonl`: what was learned and which selectors were in force, so that an agent that
// starts again claims what the kernel holds before policy removes what nobody claims. A line per change is added before
// the answer that brought it goes to its pod; now and then the file is written anew, whole, beside, and renamed.
// Not synced to the disk: the folder is on tmpfs, and after a crash of the machine there are no connections.
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { FqdnSelector, NameEntry } from "@tsilium/fqdn/model.ts";
import {
  decodeLine,
  encodeEntries,
  encodeHeader,
  encodeRemoved,
  encodeSelectors,
} from "./name-lines.ts";

/** What is done again when a file is read. */
export type NameRecord =
  | { readonly kind: "selectors"; readonly selectors: readonly FqdnSelector[] }
  | { readonly kind: "entries"; readonly entries: readonly Omit<NameEntry, "connected">[] }
  | { readonly kind: "removed"; readonly entries: readonly EntryKey[] };

export type EntryKey = Pick<NameEntry, "endpoint" | "name" | "address">;

export type OpenedNames = {
  readonly file: NameFile;
  /** In order. Empty when the file is new, or was no file of ours. */
  readonly records: readonly NameRecord[];
  /** Why what was found was set aside; undefined: it was not. */
  readonly problem: string | undefined;
  /** Its last line was not written to the end. */
  readonly isTorn: boolean;
  /** The machine was started since: nobody is connected any more. */
  readonly isOfAnotherBoot: boolean;
};

/** Lines written at a time while the file is written anew. */
const sliceLines = 256;
const entriesPerLine = 16;

export class NameFile implements Disposable {
  readonly #path: string;
  readonly #bootId: string;
  #fd: number;
  /** Lines that came while the file is being written anew. */
  #meanwhile: string[] | undefined;
  #lines: number;

  private constructor(options: { path: string; bootId: string; fd: number; lines: number }) {
    this.#path = options.path;
    this.#bootId = options.bootId;
    this.#fd = options.fd;
    this.#lines = options.lines;
  }

  /** Reads what is there, and goes on writing behind it. What is not ours is set aside. @throws NodeJS.ErrnoException */
  static open(folder: string, bootId: string): OpenedNames {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, "names.jsonl");
    const bytes = readIfThere(path);
    const whole = bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1);
    const found = read(whole);
    const { problem } = found;
    const isTorn = problem === undefined && whole.length < bytes.length;
    if (problem !== undefined) renameSync(path, `${path}.corrupt`);
    const fd = openSync(path, "a", 0o600);
    if (isTorn) ftruncateSync(fd, whole.length);
    const records = problem === undefined ? found.records : [];
    const file = new NameFile({ path, bootId, fd, lines: records.length });
    if (records.length === 0 || found.bootId !== bootId) file.#add(encodeHeader(bootId));
    return {
      file,
      records,
      problem,
      isTorn,
      isOfAnotherBoot: found.bootId !== undefined && found.bootId !== bootId,
    };
  }

  /** How many lines it has, more or less. */
  get lines(): number {
    return this.#lines;
  }

  get isBeingWritten(): boolean {
    return this.#meanwhile !== undefined;
  }

  /** @throws NodeJS.ErrnoException when the disk refuses */
  addSelectors(selectors: readonly string[]): void {
    this.#add(encodeSelectors(selectors));
  }

  /** @throws NodeJS.ErrnoException when the disk refuses */
  addEntries(entries: readonly NameEntry[]): void {
    if (entries.length > 0) this.#add(encodeEntries(entries));
  }

  /** @throws NodeJS.ErrnoException when the disk refuses */
  addRemoved(entries: readonly EntryKey[]): void {
    if (entries.length > 0) this.#add(encodeRemoved(entries));
  }

  /** Writes the file anew, in slices. @throws NodeJS.ErrnoException when the disk refuses; the old one is kept */
  async rewrite(selectors: readonly string[], entries: Iterable<NameEntry>): Promise<void> {
    if (this.#meanwhile) return;
    this.#meanwhile = [];
    const draft = openSync(`${this.#path}.draft`, "w", 0o600);
    let lines = 2;
    try {
      writeSync(draft, encodeHeader(this.#bootId) + encodeSelectors(selectors));
      for (const slice of inSlices(entries, sliceLines * entriesPerLine)) {
        const groups = [...inSlices(slice, entriesPerLine)];
        lines += groups.length;
        writeSync(draft, groups.map(encodeEntries).join(""));
        await nextTurn();
      }
      writeSync(draft, this.#meanwhile.join(""));
      renameSync(`${this.#path}.draft`, this.#path);
      closeSync(this.#fd);
      this.#fd = draft;
      this.#lines = lines + this.#meanwhile.length;
    } catch (error) {
      closeSync(draft);
      throw error;
    } finally {
      this.#meanwhile = undefined;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }

  #add(line: string): void {
    this.#meanwhile?.push(line);
    writeSync(this.#fd, line);
    this.#lines++;
  }
}

function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

type Read = {
  readonly records: NameRecord[];
  readonly bootId: string | undefined;
  readonly problem: string | undefined;
};

/** One line that is none of ours makes all of them doubtful: addresses are allowed by what stands here. */
function read(bytes: Uint8Array): Read {
  const records: NameRecord[] = [];
  let bootId: string | undefined;
  let problem: string | undefined;
  const lines = Buffer.from(bytes).toString("utf8").split("\n").slice(0, -1);
  for (const [at, line] of lines.entries()) {
    const record = decodeLine(line);
    if (record?.kind === "header") bootId = record.bootId;
    else if (record && at > 0) records.push(record);
    else problem ??= `line ${at + 1} is not what an agent writes`;
  }
  return { records, bootId, problem };
}

function* inSlices<T>(items: Iterable<T>, size: number): Generator<T[], void> {
  let slice: T[] = [];
  for (const item of items) {
    slice.push(item);
    if (slice.length < size) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}
