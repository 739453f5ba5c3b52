// The access log's reading end: a pipe without a name, which HAProxy has open for reading and writing, so that it breaks
// for nobody when the agent goes away, and which the next agent opens by the process. While nobody reads, HAProxy drops
// what does not fit and counts it.
import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { fcntl, O_PATH, open, pipe } from "@tsilium/syscall";
import { accessLogFd } from "./config.ts";
import { HaproxyError } from "./error.ts";

const F_SETPIPE_SZ = 1031;
const pipeSize = 1 << 20;
/** The pipe holds the lines of some 7,000 requests. */
const pauseMs = 20;
/** What is read at once: a few hundred lines. */
const bufferSize = 1 << 16;
/** HAProxy cuts a line at 4000. */
const longestLine = 8_192;

/** Makes the pipe; its descriptor is the caller's to hand on and to close. */
export function openLogPipe(): number {
  const ends = pipe();
  try {
    const fd = openSync(`/proc/self/fd/${ends[0]}`, constants.O_RDWR | constants.O_NONBLOCK);
    fcntl(fd, F_SETPIPE_SZ, pipeSize);
    return fd;
  } finally {
    for (const end of ends) closeSync(end);
  }
}

/** Calls `onLines` with whole lines as they come, of the process with this number. @throws Error when it is gone */
export function readLog(pid: number, onLines: (lines: readonly string[]) => void): Disposable {
  const fd = openPipeOf(pid);
  let rest = "";
  const take = (bytes: Buffer): void => {
    // Bytes as characters: a client's text is ASCII by now, and what is not is dropped with its line.
    const lines = (rest + bytes.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longestLine) rest = "";
    if (lines.length > 0) onLines(lines);
  };
  const buffer = Buffer.allocUnsafe(bufferSize);
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    // With a buffer of its own a socket that is paused reads nothing; otherwise it goes on for 64 KB more.
    onread: {
      buffer,
      callback: (length) => {
        take(buffer.subarray(0, length));
        pacing.read();
        return true;
      },
    },
  });
  socket.on("error", () => undefined);
  const pacing = pace(socket);
  return {
    [Symbol.dispose]: () => {
      pacing[Symbol.dispose]();
      socket.destroy();
    },
  };
}

/**
 * Whoever waits for a pipe is woken by each write to it, at the writer's cost: a sixth of what a request costs HAProxy.
 * So all there is is read at once, and then nobody waits for a moment.
 */
function pace(socket: Socket): Disposable & { readonly read: () => void } {
  let pausing: NodeJS.Immediate | undefined;
  let resuming: NodeJS.Timeout | undefined;
  return {
    read: () => {
      // After this turn of the event loop, which reads until there is no more.
      pausing ??= setImmediate(() => {
        pausing = undefined;
        socket.pause();
        resuming = setTimeout(() => socket.resume(), pauseMs);
      });
    },
    [Symbol.dispose]: () => {
      clearImmediate(pausing);
      clearTimeout(resuming);
    },
  };
}

/** The process is not believed: what it has there may be anything by now, and is looked at before it is opened. */
function openPipeOf(pid: number): number {
  const handle = open(`/proc/${pid}/fd/${accessLogFd}`, O_PATH);
  try {
    if (!fstatSync(handle).isFIFO())
      throw new HaproxyError("failed", "HAProxy's access log is no pipe");
    return openSync(`/proc/self/fd/${handle}`, constants.O_RDWR | constants.O_NONBLOCK);
  } finally {
    closeSync(handle);
  }
}
