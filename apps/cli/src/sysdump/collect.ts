// Runs what a dump consists of, a few at a time, each within its time and size; what fails is told and keeps nobody.
import { redactObject } from "./redact-object.ts";
import { redactText } from "./redact-text.ts";

export type Content =
  | { readonly kind: "json"; readonly value: unknown }
  /** JSON objects, a line each. */
  | { readonly kind: "lines"; readonly text: string }
  | { readonly kind: "text"; readonly text: string };

export type Task = {
  /** Of the file in the archive. */
  readonly name: string;
  /** @throws Error saying why it is not to be had */
  readonly read: (signal: AbortSignal) => Promise<Content> | Content;
};

export type TaskReport = {
  readonly name: string;
  readonly bytes: number;
  readonly durationMs: number;
  /** Why it is missing. */
  readonly error?: string;
  /** Set where only a part of it is in the archive. */
  readonly truncated?: true;
};

export type CollectOptions = {
  readonly tasks: readonly Task[];
  /** Called one at a time. What it is given has no secrets in it. */
  readonly write: (name: string, content: Uint8Array) => void;
  readonly onDone: (report: TaskReport, done: number) => void;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
};

const concurrency = 4;

/** Reports in the order of the tasks. @throws the signal's reason, and what `write` throws */
export async function collect(options: CollectOptions): Promise<TaskReport[]> {
  const { tasks, signal, onDone } = options;
  const reports: TaskReport[] = [];
  let next = 0;
  let done = 0;
  const worker = async () => {
    while (next < tasks.length) {
      const at = next++;
      signal.throwIfAborted();
      reports[at] = await run(tasks[at] as Task, options);
      onDone(reports[at], ++done);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return reports;
}

async function run({ name, read }: Task, options: CollectOptions): Promise<TaskReport> {
  const { write, timeoutMs, maxBytes } = options;
  const begunMs = performance.now();
  const durationMs = () => Math.round(performance.now() - begunMs);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  let clean: string;
  try {
    clean = cleaned(await orAborted(Promise.resolve(read(signal)), signal));
  } catch (error) {
    options.signal.throwIfAborted();
    return { name, bytes: 0, durationMs: durationMs(), error: reasonOf(error) };
  }
  const bytes = Buffer.from(clean);
  const truncated = bytes.length > maxBytes;
  const kept = truncated ? bytes.subarray(0, maxBytes) : bytes;
  write(name, kept);
  return {
    name,
    bytes: kept.length,
    durationMs: durationMs(),
    ...(truncated ? { truncated } : {}),
  };
}

function cleaned(content: Content): string {
  switch (content.kind) {
    case "json":
      return `${JSON.stringify(redactObject(content.value), undefined, 1)}\n`;
    case "lines":
      return content.text.split("\n").map(cleanLine).join("\n");
    case "text":
      return redactText(content.text);
  }
}

function cleanLine(line: string): string {
  try {
    return JSON.stringify(redactObject(JSON.parse(line)));
  } catch {
    return redactText(line);
  }
}

/** Errors go into the archive, too. */
function reasonOf(error: unknown): string {
  if ((error as Error).name === "TimeoutError") return "no answer in time";
  return redactText((error as Error).message ?? String(error)).slice(0, 500);
}

/** Not everything that is read can be told to stop: it is left behind then. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason as Error);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  work.catch(() => undefined);
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", abort));
}
