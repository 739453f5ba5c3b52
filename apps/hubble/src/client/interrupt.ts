// Ctrl-C in the midst of a stream: the end, not a failure.

/** How long what is already read may take to get out, when the reader of a pipe is slow. */
const graceMs = 200;

/**
 * A signal that Ctrl-C (and SIGTERM) abort. The process then has a moment to print what it has; a second Ctrl-C ends it
 * at once, as by default.
 */
export function interruption(): AbortSignal {
  const stop = new AbortController();
  const onSignal = () => {
    stop.abort();
    // Only where something still holds the process: a reader that does not read.
    setTimeout(() => process.exit(0), graceMs).unref();
  };
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  return stop.signal;
}
