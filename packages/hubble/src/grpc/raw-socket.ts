// node:http2 keeps a session's socket to itself, and a destroyed session waits for its last bytes to be written: for
// ever, if the other side has stopped to read. Whoever gives up on a peer needs the socket.
import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";

const raw = Symbol("raw socket");

/** Makes the socket findable by its session. */
export function tagSocket<S extends Socket>(socket: S): S {
  return Object.assign(socket, { [raw]: socket });
}

/** The tagged socket of a session that lives. */
export function rawSocketOf(session: Http2Session): Socket | undefined {
  return (session.socket as { [raw]?: Socket } | undefined)?.[raw];
}
