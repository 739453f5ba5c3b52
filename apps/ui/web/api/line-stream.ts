// A stream of lines from the server that does not stay broken: it connects again by itself, rests while nobody looks,
// and takes a silent connection for a dead one.
import { beatMs, type Line } from "../../src/shared/stream.ts";
import { noteServer, noteUnauthorized } from "../state/connection.ts";
import { authorization } from "./token.ts";

export type LineStreamOptions = {
  readonly name: string;
  /** Asked anew before each connection, so that it can say where to go on. undefined: there is nothing left to ask. */
  readonly query: () => URLSearchParams | undefined;
  readonly onConnect: () => void;
  readonly onLines: (lines: readonly Line[]) => void;
  /** The server refuses this request: asking again changes nothing. */
  readonly onRefused: (why: string) => void;
};

const silentMs = 3 * beatMs;
const restAfterMs = 60_000;
const firstRetryMs = 300;
const lastRetryMs = 5_000;

/** Runs until it is told to stop, the server has told everything, or refuses. */
export function openLineStream(options: LineStreamOptions): () => void {
  const stopped = new AbortController();
  void run(options, stopped.signal);
  return () => stopped.abort();
}

async function run(options: LineStreamOptions, signal: AbortSignal): Promise<void> {
  let retryMs = firstRetryMs;
  while (!signal.aborted) {
    await visible(signal);
    const query = options.query();
    if (signal.aborted || !query) return;
    const outcome = await connect(options, query, signal);
    if (outcome.kind === "ended" || signal.aborted) return;
    if (outcome.kind === "refused") {
      options.onRefused(outcome.why);
      return;
    }
    if (outcome.hadLines) retryMs = firstRetryMs;
    if (outcome.kind === "resting") continue;
    noteServer("lost");
    await pause(retryMs * (0.75 + Math.random() / 2), signal);
    retryMs = Math.min(retryMs * 2, lastRetryMs);
  }
}

type Outcome =
  | { readonly kind: "ended" }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "lost" | "resting"; readonly hadLines: boolean };

async function connect(
  { name, onConnect, onLines, onRefused }: LineStreamOptions,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<Outcome> {
  const broken = new AbortController();
  const stopResting = restWhenHidden(broken);
  const watchdog = new Watchdog(silentMs, () => broken.abort("silent"));
  let hadLines = false;
  try {
    const response = await fetch(`/api/${name}?${query}`, {
      headers: authorization(),
      signal: AbortSignal.any([signal, broken.signal]),
    });
    if (response.status === 401) {
      noteUnauthorized();
      return { kind: "ended" };
    }
    if (!response.ok || !response.body) return { kind: "lost", hadLines };
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    onConnect();
    noteServer("connected");
    let begun = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { kind: "lost", hadLines };
      watchdog.alive();
      hadLines = true;
      const parts = (begun + value).split("\n");
      begun = parts.pop() as string;
      const lines = parts.map((part) => JSON.parse(part) as Line);
      if (lines.length > 0) onLines(lines);
      const end = lines.find((line) => line.kind === "end");
      if (end) {
        if (end.error !== undefined) onRefused(end.error);
        return { kind: "ended" };
      }
    }
  } catch {
    return { kind: broken.signal.reason === "hidden" ? "resting" : "lost", hadLines };
  } finally {
    watchdog.stop();
    stopResting();
    broken.abort();
  }
}

class Watchdog {
  readonly #ms: number;
  readonly #bark: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(ms: number, bark: () => void) {
    this.#ms = ms;
    this.#bark = bark;
    this.#timer = setTimeout(bark, ms);
  }

  alive(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#bark, this.#ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Browsers allow six connections to a server: tabs that nobody looks at give theirs back. */
function restWhenHidden(broken: AbortController): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onChange = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(() => broken.abort("hidden"), restAfterMs);
  };
  document.addEventListener("visibilitychange", onChange);
  onChange();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onChange);
  };
}

function visible(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      document.removeEventListener("visibilitychange", done);
      resolve();
    };
    document.addEventListener("visibilitychange", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
