// Who has not shown a certificate yet may be anybody, a pod for one. One address holds so many connections in that state
// and no more, so that it cannot take the places of those that have certificates.
import type { Socket } from "node:net";
import type { Http2SecureServer } from "node:http2";
import type { TLSSocket } from "node:tls";

/** @param most handshakes of one address at once; connections beyond are closed */
export function limitHandshakes(server: Http2SecureServer, most: number): void {
  /** Ports that an address shakes hands from. */
  const pending = new Map<string, Set<number | undefined>>();
  const forget = ({ remoteAddress = "", remotePort }: Peer) => {
    const ports = pending.get(remoteAddress);
    ports?.delete(remotePort);
    if (ports?.size === 0) pending.delete(remoteAddress);
  };
  server.prependListener("connection", (socket: Socket) => {
    const { remoteAddress = "", remotePort } = socket;
    const ports = pending.get(remoteAddress) ?? new Set();
    if (ports.size >= most) {
      socket.destroy();
      return;
    }
    pending.set(remoteAddress, ports.add(remotePort));
    // A closed socket has no address any more.
    socket.once("close", () => forget({ remoteAddress, remotePort }));
  });
  server.prependListener("secureConnection", (socket: TLSSocket) => forget(socket));
}

type Peer = {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
};
