// The connections of a client: connect's manager, which makes, keeps and replaces them, and asks the server whether it
// lives; besides, sockets of servers that have stopped to read are closed, which node:http2 would keep.
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { Http2SessionManager } from "@connectrpc/connect-node";
import type { Dialer } from "./dial.ts";
import { rawSocketOf, tagSocket } from "./raw-socket.ts";

export type SessionsOptions = Dialer & {
  readonly pingIntervalMs: number;
  readonly pingTimeoutMs: number;
};

/** Flows come in thousands: room for what a busy moment of this process leaves unread. */
const streamWindow = 1024 * 1024;
const connectionWindow = 4 * 1024 * 1024;
/** For the last bytes to be written. */
const lingerMs = 1000;

export class Sessions extends Http2SessionManager {
  readonly #sockets = new Map<ClientHttp2Session, Socket>();

  constructor({ url, createConnection, pingIntervalMs, pingTimeoutMs }: SessionsOptions) {
    super(
      url,
      { pingIntervalMs, pingTimeoutMs },
      {
        createConnection: () => {
          this.#closeDead();
          return tagSocket(createConnection());
        },
        settings: { enablePush: false, initialWindowSize: streamWindow },
      },
    );
  }

  override async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: Parameters<Http2SessionManager["request"]>[3],
  ): Promise<ClientHttp2Stream> {
    const stream = await super.request(method, path, headers, options);
    const { session } = stream;
    if (session !== undefined && !session.destroyed) this.#adopt(session as ClientHttp2Session);
    stream.once("close", () => this.#closeDead());
    return stream;
  }

  override abort(reason?: Error): void {
    super.abort(reason);
    this.#closeDead();
  }

  #adopt(session: ClientHttp2Session): void {
    const socket = rawSocketOf(session);
    if (socket === undefined || this.#sockets.has(session)) return;
    session.setLocalWindowSize(connectionWindow);
    // Told to its calls. The manager listens no more once it has given the session up, and an error that nobody listens
    // to would end the process.
    session.on("error", () => undefined);
    this.#sockets.set(session, socket);
    socket.once("close", () => this.#sockets.delete(session));
  }

  #closeDead(): void {
    for (const [session, socket] of this.#sockets) {
      if (!session.destroyed) continue;
      this.#sockets.delete(session);
      const linger = setTimeout(() => socket.destroy(), lingerMs);
      linger.unref();
      socket.once("close", () => clearTimeout(linger));
    }
  }
}
