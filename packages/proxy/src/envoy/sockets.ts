// Envoy's sockets, told from others' by its user: whether its listeners listen, how many connections it has, and the end
// of those that policy no longer means as Envoy has them.
import { Address } from "@tsilium/net";
import { type InetSocket, SockDiag, type SocketState } from "@tsilium/netlink";
import { type MovedConnection, upstreamPorts } from "../model.ts";

const tcp = 6;

export class EnvoySockets implements Disposable {
  readonly #diag: SockDiag;
  readonly #uid: number;

  /** Of this thread's network namespace. @throws SyscallError */
  constructor(uid: number) {
    this.#diag = SockDiag.open();
    this.#uid = uid;
  }

  [Symbol.dispose](): void {
    this.#diag[Symbol.dispose]();
  }

  /** Ports on which it listens with both families. */
  listening(): ReadonlySet<number> {
    const [four, six] = ([4, 6] as const).map(
      (family) => new Set(this.#list(family, ["listen"]).map(({ sourcePort }) => sourcePort)),
    );
    return (four as Set<number>).intersection(six as Set<number>);
  }

  /** Connections of clients, but for those to servers whose ports are among `upstreamPorts`. */
  accepted(): number {
    return ([4, 6] as const).reduce(
      (sum, family) => sum + this.#list(family, ["established"]).filter(isAccepted).length,
      0,
    );
  }

  /** Ends connections that clients made; those that are gone are ended already. */
  end(connections: readonly MovedConnection[]): void {
    const wanted = new Set(
      connections.map(({ client, server }) =>
        keyOf(
          Address.parse(server.address),
          server.port,
          Address.parse(client.address),
          client.port,
        ),
      ),
    );
    for (const family of [4, 6] as const) {
      for (const socket of this.#list(family, ["established", "close-wait"])) {
        const { source, sourcePort, destination, destinationPort } = socket;
        if (wanted.has(keyOf(source, sourcePort, destination, destinationPort)))
          this.#diag.destroy(socket);
      }
    }
  }

  #list(family: 4 | 6, states: readonly SocketState[]): InetSocket[] {
    return this.#diag
      .list({ family, protocol: tcp, states })
      .filter(({ uid }) => uid === this.#uid);
  }
}

/** The others are Envoy's own, to servers. */
function isAccepted({ sourcePort }: InetSocket): boolean {
  return sourcePort < upstreamPorts.first || sourcePort > upstreamPorts.last;
}

function keyOf(source: Address, sourcePort: number, destination: Address, port: number): string {
  return `${source}:${sourcePort}>${destination}:${port}`;
}
