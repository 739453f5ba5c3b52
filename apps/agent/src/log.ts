// Structured logs, one JSON object per line on standard output.
import { pino, type Logger } from "pino";

export type { Logger };

/**
 * The agent's log. Written at once and synchronously, so that a killed agent's last words are there; what
 * the agent logs in normal operation is a few lines per pod.
 */
export function createLog(level: string, node: string): Logger {
  return pino(
    {
      level,
      base: { node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeError },
    },
    pino.destination({ fd: 1, sync: true }),
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
