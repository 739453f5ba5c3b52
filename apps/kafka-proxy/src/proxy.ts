// The proxy of one direction: listeners, each with its rule set, and the connections they accepted, each held to the rule
// set of one of them.
import type { Server, Socket } from "node:net";
import { Address } from "@tsilium/net";
import type { KafkaRuleSet } from "@tsilium/policy/model.ts";
import {
  listenerPorts,
  type ListenerProblem,
  type ListenerRules,
  type MovedConnection,
  type ProxyRecord,
  type ProxyStatus,
} from "@tsilium/proxy/model.ts";
import { EarlyMoves } from "@tsilium/proxy/early-moves.ts";
import { listenerRows } from "@tsilium/proxy/listener-rows.ts";
import type { KafkaProxyConfig } from "./config.ts";
import { Connection } from "./connection.ts";
import { HeldBytes } from "./held-bytes.ts";
import { ReadingTime } from "./reading-time.ts";
import { type End, recordSink } from "./records.ts";
import { connectFrom, listenTransparently } from "./sockets.ts";

export type KafkaProxyOptions = Pick<KafkaProxyConfig, "direction" | "maxConnections"> & {
  readonly addRecord: (record: ProxyRecord) => void;
  /** A fault of ours, which ended a connection. */
  readonly onFault: (error: unknown) => void;
};

type Listener = {
  readonly rules: ListenerRules & { readonly ruleSet: KafkaRuleSet };
  servers: Server[];
};
type Open = {
  readonly connection: Connection;
  readonly clientAddress: string;
  rulesPort: number;
};
type Update = {
  readonly whole: boolean;
  readonly listeners: readonly ListenerRules[];
  readonly removed: readonly number[];
};

/** A client that is one of many may have this part of all connections. */
const connectionShare = 4;
/** Rules of a connection that is to be let through, and of one whose rules are gone. */
const noPort = 0;

export class KafkaProxy implements Disposable {
  readonly #options: KafkaProxyOptions;
  readonly #listeners = new Map<number, Listener>();
  readonly #connections = new Map<string, Open>();
  readonly #earlyMoves = new EarlyMoves();
  readonly #counts = { forwarded: 0, denied: 0, errors: 0 };
  readonly #held = new HeldBytes();
  readonly #readingTime = new ReadingTime();
  readonly #perClient = new Map<string, number>();

  constructor(options: KafkaProxyOptions) {
    this.#options = options;
  }

  /** Changes what is enforced; it holds for every next request when this resolves. */
  async apply({ whole, listeners, removed }: Update): Promise<ListenerProblem[]> {
    const kept = new Set(listeners.map(({ port }) => port));
    const gone = whole ? [...this.#listeners.keys()].filter((port) => !kept.has(port)) : removed;
    for (const port of gone) this.#remove(port);
    const problems: ListenerProblem[] = [];
    for (const rules of listeners) {
      const reason = await this.#set(rules);
      if (reason === undefined) continue;
      this.#remove(rules.port);
      problems.push({ port: rules.port, reason });
    }
    return problems;
  }

  /** Holds connections to other rules from their next request on. */
  move(connections: readonly MovedConnection[]): void {
    const nowMs = performance.now();
    for (const { client, server, from, to } of connections) {
      const key = keyOf(client, server);
      const open = this.#connections.get(key);
      if (open) open.rulesPort = to;
      else if (to === from) this.#earlyMoves.forget(key);
      else this.#earlyMoves.note(key, nowMs);
    }
  }

  /** What is enforced. */
  get rules(): readonly ListenerRules[] {
    return [...this.#listeners.values()].map(({ rules }) => rules);
  }

  status(): Pick<ProxyStatus, "listeners" | "connections" | "requests"> {
    return {
      listeners: listenerRows(this.rules),
      connections: this.#connections.size,
      requests: { ...this.#counts },
    };
  }

  /** Ends everything at once. */
  [Symbol.dispose](): void {
    for (const port of this.#listeners.keys()) this.#remove(port);
    for (const { connection } of this.#connections.values()) connection[Symbol.dispose]();
  }

  /** Why the listener lets nothing through; undefined: it enforces its rules. */
  async #set(rules: ListenerRules): Promise<string | undefined> {
    const { port, ruleSet } = rules;
    const { direction } = this.#options;
    const ports = listenerPorts[direction].kafka;
    if (ruleSet.kind !== "kafka" || ruleSet.direction !== direction)
      return `rules of ${ruleSet.kind}, ${ruleSet.direction} at a proxy of kafka, ${direction}`;
    if (port < ports.first || port > ports.last) return "not a port of this proxy";
    const before = this.#listeners.get(port);
    const listener: Listener = { rules: { ...rules, ruleSet }, servers: before?.servers ?? [] };
    this.#listeners.set(port, listener);
    if (before) return undefined;
    try {
      listener.servers = await listenTransparently(port, (socket) => this.#accept(port, socket));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  #remove(port: number): void {
    for (const server of this.#listeners.get(port)?.servers ?? []) server.close();
    this.#listeners.delete(port);
  }

  #accept(port: number, client: Socket): void {
    const ends = endsOf(client);
    const wasMoved =
      ends && this.#earlyMoves.take(keyOf(ends.client, ends.server), performance.now());
    if (!ends || wasMoved || !this.#mayConnect(ends.client)) {
      if (ends) this.#counts.errors++;
      return void client.on("error", () => undefined).resetAndDestroy();
    }
    try {
      this.#open(port, client, ends);
    } catch {
      // The server's address cannot be reached from here: as it would have been said to the client.
      this.#counts.errors++;
      client.on("error", () => undefined).resetAndDestroy();
    }
  }

  #mayConnect({ address }: End): boolean {
    const { maxConnections } = this.#options;
    const share = Math.ceil(maxConnections / connectionShare);
    const own = this.#perClient.get(address) ?? 0;
    return this.#connections.size < maxConnections && own < share;
  }

  #open(port: number, client: Socket, { address, client: from, server }: Ends): void {
    const key = keyOf(from, server);
    const broker = connectFrom(address, server);
    const open: Open = {
      rulesPort: port,
      clientAddress: from.address,
      connection: new Connection({
        client,
        broker,
        rules: () => this.#rulesAt(open.rulesPort),
        records: recordSink({
          port,
          direction: this.#options.direction,
          client: from,
          server,
          counts: this.#counts,
          add: this.#options.addRecord,
        }),
        held: this.#held,
        readingTime: this.#readingTime,
        clientAddress: from.address,
        onClose: () => this.#closed(key, open),
        onFault: this.#options.onFault,
      }),
    };
    this.#connections.set(key, open);
    this.#perClient.set(from.address, (this.#perClient.get(from.address) ?? 0) + 1);
    open.connection.start();
  }

  #closed(key: string, open: Open): void {
    if (this.#connections.get(key) === open) this.#connections.delete(key);
    const { clientAddress } = open;
    const left = (this.#perClient.get(clientAddress) ?? 1) - 1;
    if (left === 0) this.#perClient.delete(clientAddress);
    else this.#perClient.set(clientAddress, left);
  }

  #rulesAt(port: number): KafkaRuleSet {
    const { direction } = this.#options;
    const nothing = { kind: "kafka", direction, audit: false, denyRule: 0, rules: [] } as const;
    if (port !== noPort) return this.#listeners.get(port)?.rules.ruleSet ?? nothing;
    const match = {
      apiKeys: undefined,
      apiVersion: undefined,
      clientId: undefined,
      topic: undefined,
    };
    return { ...nothing, rules: [{ rule: 0, match }] };
  }
}

type Ends = { readonly address: Address; readonly client: End; readonly server: End };

/** Who connected, and whom it asked. undefined: it connected to the listener itself, or is gone already. */
function endsOf(socket: Socket): Ends | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const address = Address.tryParse(remoteAddress ?? "");
  const asked = Address.tryParse(localAddress ?? "");
  // To a loopback address nothing is redirected: that would be a proxy's connection to itself.
  if (!address || !asked || asked.isLoopback || !remotePort || !localPort) return undefined;
  return {
    address,
    client: { address: address.toString(), port: remotePort },
    server: { address: asked.toString(), port: localPort },
  };
}

function keyOf(client: End, server: End): string {
  const text = (end: End): string => `${Address.tryParse(end.address) ?? end.address} ${end.port}`;
  return `${text(client)} ${text(server)}`;
}
