// Structured logs, one JSON object per line.
import { pino, type Logger } from "pino";

export type { Logger };

export type LogOptions = {
  /** Least level written; "silent" writes nothing. */
  readonly level: string;
  /** Fields of every line. */
  readonly base?: Readonly<Record<string, string>>;
  /** File descriptor; standard output unless given. */
  readonly fd?: number;
};

/**
 * A process's log. Written at once and synchronously, so that a killed process's last words are there: what is
 * logged in normal operation is a few lines per pod. Errors go under `error`.
 */
export function createLog({ level, base = {}, fd = 1 }: LogOptions): Logger {
  return pino(
    {
      level,
      base,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    pino.destination({ fd, sync: true }),
  );
}

/** An error's message, code and chain of causes; its stack only where there is no code to recognise it by. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return {
    message: error.message,
    ...(code === undefined ? { stack: error.stack } : { code }),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
