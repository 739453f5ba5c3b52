// One network namespace's links, addresses, routes, neighbours, rules and clsact hooks, over one socket.
import { NETLINK_ROUTE, withNetns } from "@tsilium/syscall";
import { AddressChanges, Addresses } from "./addresses.ts";
import { Batch, Connection, type Changes } from "./connection.ts";
import { LinkChanges, Links } from "./links.ts";
import { NeighbourChanges, Neighbours } from "./neighbours.ts";
import { QdiscChanges, Qdiscs } from "./qdiscs.ts";
import { RouteChanges, Routes } from "./routes.ts";
import { RuleChanges, Rules } from "./rules.ts";

export type OpenOptions = {
  /** Path or open descriptor of the network namespace; absent: the one the thread is in. */
  readonly netns?: string | number;
};

/** What a batch can do: the changing half of everything. Results come when the batch is sent, not before. */
export type RtnlBatch = {
  readonly links: LinkChanges;
  readonly addresses: AddressChanges;
  readonly routes: RouteChanges;
  readonly neighbours: NeighbourChanges;
  readonly rules: RuleChanges;
  readonly qdiscs: QdiscChanges;
};

/** A synchronous rtnetlink client. Deleting what is gone answers false; every other refusal is a NetlinkError. */
export class Rtnl implements Disposable {
  readonly links: Links;
  readonly addresses: Addresses;
  readonly routes: Routes;
  readonly neighbours: Neighbours;
  readonly rules: Rules;
  readonly qdiscs: Qdiscs;
  readonly #connection: Connection;

  private constructor(connection: Connection) {
    this.#connection = connection;
    this.links = new Links(connection);
    this.addresses = new Addresses(connection);
    this.routes = new Routes(connection);
    this.neighbours = new Neighbours(connection);
    this.rules = new Rules(connection);
    this.qdiscs = new Qdiscs(connection);
  }

  /**
   * Opens a socket in the namespace, where it stays for life: later calls need no setns. It also keeps the
   * namespace alive until disposed of. @throws SyscallError ENOENT when there is no such namespace
   */
  static open(options: OpenOptions = {}): Rtnl {
    const { netns } = options;
    const connect = () => new Connection(NETLINK_ROUTE);
    return new Rtnl(netns === undefined ? connect() : withNetns(netns, connect));
  }

  /**
   * Runs `fill`, then sends all the changes it made together, in order, up to 50 per system call. Devices named
   * by name must exist before the batch (give new links an index of your own choice, or name them to `links`
   * only). @throws NetlinkError the first failure, after everything else has been tried
   */
  batch(fill: (batch: RtnlBatch) => void): void {
    const batch = new Batch();
    fill(changesOver(this.#connection, batch));
    this.#connection.changeAll(batch.requests);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

function changesOver(connection: Connection, changes: Changes): RtnlBatch {
  return {
    links: new LinkChanges(connection, changes),
    addresses: new AddressChanges(connection, changes),
    routes: new RouteChanges(connection, changes),
    neighbours: new NeighbourChanges(connection, changes),
    rules: new RuleChanges(changes),
    qdiscs: new QdiscChanges(connection, changes),
  };
}
