// Makes the sockets of a client.
import { type Socket, connect as connectPlain, isIP } from "node:net";
import { type TLSSocket, checkServerIdentity, connect as connectTls } from "node:tls";
import type { ServerAddress } from "./address.ts";
import { type TlsFileNames, readTlsFiles } from "./certificates.ts";

export type ClientTls = TlsFileNames & {
  /** The name that the server's certificate must have; the host's unless given. */
  readonly serverName?: string;
  /** "TLSv1.3" unless given. */
  readonly minVersion?: "TLSv1.2" | "TLSv1.3";
};

export type DialOptions = { readonly tls: ClientTls | undefined; readonly dialTimeoutMs: number };

export type Dialer = {
  /** For HTTP's headers. */
  readonly url: string;
  /** @throws Error of the file system for certificates that cannot be read */
  readonly createConnection: () => Socket;
};

/** @throws Error for TLS without authorities to trust */
export function dialer(server: ServerAddress, { tls, dialTimeoutMs }: DialOptions): Dialer {
  if (server.kind === "unix") {
    const { path } = server;
    const createConnection = () => limited(connectPlain({ path }), "connect", dialTimeoutMs);
    return { url: "http://localhost", createConnection };
  }
  const { host, port } = server;
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  if (tls !== undefined) {
    const dial = () => limited(secureSocket(host, port, tls), "secureConnect", dialTimeoutMs);
    return { url: `https://${authority}`, createConnection: dial };
  }
  if (server.tls) throw new Error("TLS needs the authorities to trust (caFile)");
  const dial = () => connectPlain({ host, port, noDelay: true });
  return {
    url: `http://${authority}`,
    createConnection: () => limited(dial(), "connect", dialTimeoutMs),
  };
}

function limited<S extends Socket>(
  socket: S,
  ready: "connect" | "secureConnect",
  timeoutMs: number,
): S {
  const late = Object.assign(new Error(`no connection within ${timeoutMs} ms`), {
    code: "ETIMEDOUT",
  });
  const timer = setTimeout(() => socket.destroy(late), timeoutMs);
  socket.once(ready, () => clearTimeout(timer));
  socket.once("close", () => clearTimeout(timer));
  return socket;
}

function secureSocket(host: string, port: number, tls: ClientTls): TLSSocket {
  const { serverName = host, minVersion = "TLSv1.3" } = tls;
  const { ca, ...own } = readTlsFiles(tls);
  const socket = connectTls({
    host,
    port,
    ...own,
    ca,
    minVersion,
    ALPNProtocols: ["h2"],
    // SNI knows names alone.
    servername: isIP(serverName) === 0 ? serverName : "",
    checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
  });
  socket.setNoDelay(true);
  return socket;
}
