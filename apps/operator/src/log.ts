// Structured logs, one JSON object per line on standard output.
import { pino, type Logger } from "pino";

export type { Logger };

/** The operator's log, written synchronously: last words count. */
export function createLog(level: string): Logger {
  return pino(
    {
      level,
      base: { subsystem: "operator" },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: {
        error: (error: unknown) =>
          error instanceof Error
            ? { message: error.message, code: (error as { code?: unknown }).code }
            : String(error),
      },
    },
    pino.destination({ fd: 1, sync: true }),
  );
}
