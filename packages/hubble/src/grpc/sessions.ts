// The connection of a client: made when it is needed, shared by all calls, made anew when it broke. Also connect's
// session manager.
import type { ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import { ClientConnection, type ConnectionOptions, clientClosed } from "./connection.ts";

/** A connection that breaks in the moment of a request is replaced; not for ever. */
const maxAttempts = 3;

export class Sessions {
  /** Of URLs. */
  readonly authority: string;
  readonly #options: ConnectionOptions;
  /** The last one takes the calls; others end theirs. */
  readonly #connections: ClientConnection[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.authority = options.url;
  }

  /** Resolves to a connection that lives. @throws what kept it from being made */
  async connection(): Promise<ClientConnection> {
    for (;;) {
      const last = this.#connections.at(-1);
      const connection = last?.usable ? last : this.#dial();
      await connection.ready;
      if (await connection.verify()) return connection;
    }
  }

  #dial(): ClientConnection {
    const living = this.#connections.filter(({ closed }) => !closed);
    const connection = new ClientConnection(this.#options);
    this.#connections.splice(0, this.#connections.length, ...living, connection);
    return connection;
  }

  /** @throws what kept the connection from being made, or node:http2's error */
  async request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    options: object,
  ): Promise<ClientHttp2Stream> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.connection();
      try {
        return connection.request({ ...headers, ":method": method, ":path": path }, options);
      } catch (error) {
        if (connection.usable || attempt === maxAttempts) throw error;
      }
    }
  }

  /** connect tells of bytes that it read. */
  notifyResponseByteRead(): void {
    for (const connection of this.#connections) connection.heard();
  }

  /** Ends every connection and call. */
  close(): void {
    for (const connection of this.#connections.splice(0)) connection.giveUp(clientClosed());
  }
}
