// Connections that a proxy has accepted stay with it, but not with the rules under which it did. After slots changed
// every such connection is decided as a new one would be; where other rules hold than the proxy was told last, it is told.
import type { ConntrackEntry, EndpointEntry } from "@tsilium/datapath/model.ts";
import type { Address } from "@tsilium/net";
import type { Direction } from "@tsilium/policy/model.ts";
import { listenerPorts, type MovedConnection } from "@tsilium/proxy/model.ts";

/** One that a proxy has accepted, seen from the end whose policy it is held to. */
export type ProxiedConnection = {
  readonly subject: number;
  readonly direction: Direction;
  readonly peer: { readonly identity: number; readonly address: Address };
  readonly protocol: number;
  readonly port: number;
};

export type MovesOptions = {
  /** Connections that proxies have, as the kernel knows them. */
  readonly proxied: () => readonly ConntrackEntry[];
  /** This node's endpoints. */
  readonly endpoints: () => readonly EndpointEntry[];
  /** The listener whose rules hold for it, 0: none, all is let through; undefined: that cannot be said, or nothing is. */
  readonly listenerFor: (connection: ProxiedConnection) => number | undefined;
};

export class Moves {
  readonly #options: MovesOptions;
  /** What proxies were told last of a connection. */
  readonly #told = new Map<string, MovedConnection>();
  /** So many of the last reading have their packets dropped, or could not be decided. */
  #undecided = 0;
  /** Those of the first reading that were not told of: nobody knows what a worker before this one has said. */
  #unknown: Set<string> | undefined;

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  /** No proxy holds a connection to other rules than those under which it accepted it. */
  get isIdle(): boolean {
    return this.#told.size + this.#undecided === 0;
  }

  /** Reads which there are. Answers those of which a proxy must hear. */
  review(): MovedConnection[] {
    const entries = this.#options.proxied();
    const keys = new Set(entries.map(keyOf));
    this.#unknown = this.#unknown?.intersection(keys) ?? keys;
    return [...this.#forget(keys), ...this.#decide(entries)];
  }

  /** What was told of connections that are over is not to hold for the next ones with the same ends. */
  #forget(there: ReadonlySet<string>): MovedConnection[] {
    const over = [...this.#told].filter(([key]) => !there.has(key));
    for (const [key] of over) this.#told.delete(key);
    return over.map(([, moved]) => ({ ...moved, to: moved.from }));
  }

  #decide(entries: readonly ConntrackEntry[]): MovedConnection[] {
    this.#undecided = 0;
    if (entries.length === 0) return [];
    const subjects = new Map<string, number>();
    for (const { subject, ipv4, ipv6 } of this.#options.endpoints())
      for (const address of [ipv4, ipv6]) if (address) subjects.set(address.toString(), subject);
    return entries.flatMap((entry) => {
      const connection = connectionOf(entry, subjects);
      const to = connection && this.#options.listenerFor(connection);
      if (to === undefined) this.#undecided++;
      return to === undefined ? [] : this.#tell(entry, to);
    });
  }

  #tell(entry: ConntrackEntry, to: number): MovedConnection[] {
    const key = keyOf(entry);
    const isUnknown = this.#unknown?.delete(key) === true;
    if (!isUnknown && (this.#told.get(key)?.to ?? entry.proxyPort) === to) return [];
    const moved = { ...endsOf(entry), protocol: entry.protocol, from: entry.proxyPort, to };
    this.#told.set(key, moved);
    return [moved];
  }
}

/** undefined: the end whose policy it is has gone. */
function connectionOf(
  entry: ConntrackEntry,
  subjects: ReadonlyMap<string, number>,
): ProxiedConnection | undefined {
  const direction = directionOf(entry.proxyPort);
  if (!direction) return undefined;
  const source = { identity: entry.sourceIdentity, address: entry.source };
  const destination = { identity: entry.destinationIdentity, address: entry.destination };
  const [own, peer] = direction === "egress" ? [source, destination] : [destination, source];
  const subject = subjects.get(own.address.toString());
  if (subject === undefined) return undefined;
  const { protocol, destinationPort: port } = entry;
  return { subject, direction, peer, protocol, port };
}

/** Whose policy sends connections to a listener, by the ranges of ports. */
function directionOf(port: number): Direction | undefined {
  return (["egress", "ingress"] as const).find((direction) =>
    Object.values(listenerPorts[direction]).some(
      ({ first, last }) => port >= first && port <= last,
    ),
  );
}

function endsOf(entry: ConntrackEntry): Pick<MovedConnection, "client" | "server"> {
  return {
    client: { address: entry.source.toString(), port: entry.sourcePort },
    server: { address: entry.destination.toString(), port: entry.destinationPort },
  };
}

/** The same ends may be taken again by another connection, which another listener may have accepted. */
function keyOf(entry: ConntrackEntry): string {
  const { client, server } = endsOf(entry);
  return [
    entry.protocol,
    entry.part,
    `${client.address} ${client.port}`,
    `${server.address} ${server.port}`,
    entry.proxyPort,
  ].join(" ");
}
