// Where lines go. A sink never makes its caller wait: it takes a line, or counts that it could not.
import type { Writable } from "node:stream";

export type Sink = AsyncDisposable & {
  /** Takes a line, without its end. Answers false when it is lost. */
  write(line: string): boolean;
  readonly stats: SinkStats;
};

/** Lines. `error`: why nothing can be written now; undefined: all is well. */
export type SinkStats = {
  readonly written: number;
  readonly lost: number;
  readonly error: string | undefined;
};

/** A stream such as standard output. What its reader does not take is lost beyond `queueBytes`. */
export function streamSink(stream: Writable, queueBytes: number): Sink {
  let written = 0;
  let lost = 0;
  let error: string | undefined;
  // A reader that goes away must not end the process.
  const onError = (cause: Error) => (error = cause.message);
  stream.on("error", onError);
  return {
    write: (line) => {
      if (error !== undefined || stream.writableLength > queueBytes) {
        lost++;
        return false;
      }
      stream.write(`${line}\n`);
      written++;
      return true;
    },
    get stats() {
      return { written, lost, error };
    },
    [Symbol.asyncDispose]: async () => void stream.off("error", onError),
  };
}
