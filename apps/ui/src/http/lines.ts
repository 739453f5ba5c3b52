// A stream of lines to one browser. It holds little: what the browser does not read in time is not written, and who
// writes sees it (`canWrite`) and counts what it leaves out.
import type { ServerResponse } from "node:http";
import { beatMs, type Line } from "../shared/stream.ts";

/** Bytes that may wait in the socket's queue. */
const mostWaitingBytes = 1 << 20;

export class LineWriter implements Disposable {
  readonly #response: ServerResponse;
  readonly #beat: NodeJS.Timeout;
  readonly #gone = new AbortController();

  constructor(response: ServerResponse, headers: Readonly<Record<string, string>>) {
    this.#response = response;
    response.writeHead(200, {
      ...headers,
      "content-type": "application/x-ndjson; charset=utf-8",
      "cache-control": "no-store",
    });
    response.flushHeaders();
    response.once("close", () => this.#gone.abort(new Error("the browser has gone")));
    this.#beat = setInterval(() => this.#writeBeat(), beatMs);
    this.#writeBeat();
  }

  /** Aborts when the browser has gone. */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get canWrite(): boolean {
    return !this.#gone.signal.aborted && this.#response.writableLength < mostWaitingBytes;
  }

  /** Resolves when the browser has read, or has gone. */
  async drained(): Promise<void> {
    if (this.canWrite || this.#gone.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#response.off("drain", done);
        this.#gone.signal.removeEventListener("abort", done);
        resolve();
      };
      this.#response.on("drain", done);
      this.#gone.signal.addEventListener("abort", done);
    });
  }

  write(line: Line): void {
    if (!this.#gone.signal.aborted) this.#response.write(`${JSON.stringify(line)}\n`);
  }

  end(error?: string): void {
    this.write({ kind: "end", ...(error === undefined ? {} : { error }) });
    this.#response.end();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    this.#response.end();
  }

  #writeBeat(): void {
    if (this.canWrite) this.write({ kind: "beat", timeMs: Date.now() });
  }
}
