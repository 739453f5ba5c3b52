// The connections of a server: how many, how long idle, and whether anybody is still at the other end.
import { type ServerHttp2Session, constants } from "node:http2";
import type { Socket } from "node:net";
import { rawSocketOf } from "./raw-socket.ts";

export type ConnectionLimits = {
  readonly maxConnections: number;
  /** At once, of one connection. */
  readonly maxStreams: number;
  /** Connections without calls are closed after this. */
  readonly idleTimeoutMs: number;
  /** How often a connection with calls is asked whether it lives; the answer must come within the second. */
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
};

export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #sessions = new Map<ServerHttp2Session, Socket | undefined>();
  #closing = false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#sessions.size;
  }

  add(session: ServerHttp2Session): void {
    session.on("error", () => undefined);
    if (this.#closing || this.#sessions.size >= this.#limits.maxConnections) {
      session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      session.destroy();
      return;
    }
    const socket = rawSocketOf(session);
    this.#sessions.set(session, socket);
    const stopPinging = keepAlive(session, { ...this.#limits, giveUp: () => cut(session, socket) });
    const forget = () => {
      this.#sessions.delete(session);
      stopPinging();
    };
    session.once("close", forget);
    socket?.once("close", forget);
  }

  /** Lets calls end, then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    const closed = [...this.#sessions].map(
      ([session, socket]) =>
        new Promise<void>((resolve) => {
          session.once("close", resolve);
          socket?.once("close", () => resolve());
        }),
    );
    for (const session of this.#sessions.keys()) session.close();
    const impatience = setTimeout(() => {
      for (const [session, socket] of this.#sessions) cut(session, socket);
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(impatience);
  }
}

function cut(session: ServerHttp2Session, socket: Socket | undefined): void {
  session.destroy();
  socket?.destroy();
}

/**
 * Asks a connection from time to time whether it lives, and cuts it if there is no answer: a client that vanished
 * without a word must not hold a stream for ever. One without calls is closed when idle for long.
 * Returns what ends it.
 */
function keepAlive(
  session: ServerHttp2Session,
  limits: ConnectionLimits & { readonly giveUp: () => void },
): () => void {
  let streams = 0;
  let idleSince = performance.now();
  let unanswered: NodeJS.Timeout | undefined;
  session.on("stream", (stream) => {
    streams++;
    stream.once("close", () => {
      streams--;
      idleSince = performance.now();
    });
  });
  const ping = () => {
    if (session.destroyed || session.closed) return;
    if (unanswered !== undefined) return;
    unanswered = setTimeout(limits.giveUp, limits.pingTimeoutMs);
    if (streams === 0 && performance.now() - idleSince >= limits.idleTimeoutMs)
      return session.close();
    session.ping((error) => {
      if (error !== null) return;
      clearTimeout(unanswered);
      unanswered = undefined;
    });
  };
  const timer = setInterval(ping, Math.min(limits.pingIntervalMs, limits.idleTimeoutMs));
  timer.unref();
  return () => {
    clearInterval(timer);
    clearTimeout(unanswered);
  };
}
