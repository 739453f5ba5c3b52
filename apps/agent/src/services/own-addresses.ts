// The node's own addresses, from its interfaces, as they come and go.
import { monitor, Rtnl } from "@tsilium/netlink";
import type { Address } from "@tsilium/net";
import type { Logger } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";

/** How often they are read again, whatever was or was not announced. */
const rereadMs = 60_000;

/** Keyed by text. Without loopback and link-local ones, which nobody else can name, and those not usable yet. */
export class OwnAddresses implements Disposable {
  readonly table: Table<Address> = new Table<Address>({
    name: "own-addresses",
    key: String,
    equals: () => true,
  });
  readonly #rtnl: Rtnl;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  private constructor(rtnl: Rtnl, log: Logger) {
    this.#rtnl = rtnl;
    this.#log = log;
  }

  /** Reads them and goes on following them, in the network namespace that the thread is in. @throws NetlinkError */
  static follow(log: Logger): OwnAddresses {
    const rtnl = Rtnl.open();
    try {
      const addresses = new OwnAddresses(rtnl, log);
      addresses.#follow();
      return addresses;
    } catch (error) {
      rtnl[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the agent stops"));
    clearInterval(this.#timer);
    this.#rtnl[Symbol.dispose]();
  }

  #follow(): void {
    const changes = monitor({ signal: this.#stop.signal, kinds: ["address"] });
    this.#read();
    this.#timer = setInterval(() => this.#readAgain(), rereadMs).unref();
    void this.#hear(changes);
  }

  async #hear(changes: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _ of changes) this.#readAgain();
    } catch (error) {
      this.#log.warn({ error }, "changes of the node's addresses are not announced any more");
    }
  }

  #readAgain(): void {
    if (this.#stop.signal.aborted) return;
    try {
      this.#read();
    } catch (error) {
      this.#log.warn({ error }, "the node's addresses could not be read again");
    }
  }

  /** New ones first: there is always one that serves. */
  #read(): void {
    const found = this.#rtnl.addresses
      .list()
      .filter(({ tentative, dadFailed }) => !tentative && !dadFailed)
      .map(({ address }) => address)
      .filter((address) => !address.isLoopback && !address.isLinkLocal);
    for (const address of found) this.table.upsert(address);
    const kept = new Set(found.map(String));
    for (const key of this.table.values().map(String).toArray())
      if (!kept.has(key)) this.table.delete(key);
  }
}
