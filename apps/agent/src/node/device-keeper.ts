// Keeps the datapath at the devices that face the underlay, as they appear, vanish and are made anew while it runs.
//
// A device that was once of the underlay stays so as long as it is there, whatever becomes of its addresses: without
// programs it would go on forwarding, unpoliced.
import type { Address } from "@tsilium/net";
import { monitor, Rtnl, type RtnlEvent } from "@tsilium/netlink";
import type { Logger, PartHealth } from "@tsilium/runtime";
import { RetryTimer } from "../retry-timer.ts";
import { chooseDevices, isAutomatic, isNamed, missingDevices } from "./device-choice.ts";

export type DeviceKeeperOptions = {
  /** Key `devices`. */
  readonly patterns: readonly string[];
  readonly nodeAddresses: readonly Address[];
  /** Those that others need, at the start. */
  readonly more: readonly string[];
  readonly datapath: {
    /** Names of the devices that it is at. */
    readonly devices: readonly string[];
    useDevices(names: readonly string[]): boolean;
  };
  /** Of pods, bytes. */
  readonly mtu: number;
  readonly log: Logger;
};

export class DeviceKeeper implements Disposable {
  readonly #options: DeviceKeeperOptions;
  readonly #rtnl: Rtnl;
  readonly #retry: RetryTimer;
  readonly #stop = new AbortController();
  #more: readonly string[];
  /** Of the devices that the datapath is at. */
  #indexes: ReadonlySet<number> = new Set();
  #missing: readonly string[] = [];
  #problem: string | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(options: DeviceKeeperOptions) {
    this.#options = options;
    this.#more = options.more;
    this.#rtnl = Rtnl.open();
    this.#retry = new RetryTimer(() => this.#lookAgain());
  }

  /** Looks, and goes on doing so whenever interfaces change, in the network namespace that the thread is in. */
  static follow(options: DeviceKeeperOptions): DeviceKeeper {
    const keeper = new DeviceKeeper(options);
    const kinds = isAutomatic(options.patterns)
      ? (["link", "address"] as const)
      : ["link" as const];
    const changes = monitor({ signal: keeper.#stop.signal, kinds });
    keeper.#lookAgain();
    void keeper.#hear(changes);
    return keeper;
  }

  /** Has the datapath be at these too, as far as they are there, and no longer at others named so before. @throws DatapathError */
  useMore(names: readonly string[]): void {
    this.#more = names;
    this.#look();
  }

  /** Calls back when the datapath is at other devices. */
  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  health(): Omit<PartHealth, "name"> {
    const { devices } = this.#options.datapath;
    const problems = [
      ...(this.#missing.length > 0 ? [`not there: ${this.#missing.join(", ")}`] : []),
      ...(this.#problem === undefined ? [] : [this.#problem]),
    ];
    const state = problems.length === 0 ? "ok" : "degraded";
    return { state, message: [devices.join(", "), ...problems].join("; ") };
  }

  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the agent stops"));
    this.#retry[Symbol.dispose]();
    this.#rtnl[Symbol.dispose]();
  }

  async #hear(changes: AsyncIterable<readonly RtnlEvent[]>): Promise<void> {
    try {
      for await (const events of changes)
        if (events.some((event) => this.#concerns(event))) this.#lookAgain();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#options.log.error({ error }, "interfaces are not followed any more");
      this.#problem = "interfaces are not followed any more: start the agent anew";
    }
  }

  /** Pods' interfaces come and go all the time. */
  #concerns(event: RtnlEvent): boolean {
    const { patterns, nodeAddresses, datapath } = this.#options;
    if (event.kind === "lost") return true;
    if (event.kind === "address")
      return nodeAddresses.some((address) => address.equals(event.row.address));
    if (event.kind !== "link") return false;
    const { index, name } = event.row;
    return (
      this.#indexes.has(index) ||
      datapath.devices.includes(name) ||
      this.#more.includes(name) ||
      isNamed(name, patterns)
    );
  }

  #lookAgain(): void {
    if (this.#stop.signal.aborted) return;
    try {
      this.#look();
      this.#problem = undefined;
      this.#retry.reset();
    } catch (error) {
      this.#problem = (error as Error).message;
      this.#options.log.warn({ error }, "the datapath cannot be at the node's devices yet");
      this.#retry.start();
    }
  }

  #look(): void {
    const { patterns, datapath, mtu, log } = this.#options;
    const links = this.#rtnl.links.list();
    const addresses = isAutomatic(patterns) ? this.#rtnl.addresses.list() : [];
    const chosen = chooseDevices({ links, addresses }, this.#options);
    const wanted = new Set([...datapath.devices, ...chosen, ...this.#more]);
    const present = links.filter(({ name }) => wanted.has(name));
    this.#indexes = new Set(present.map(({ index }) => index));
    const fresh = present.filter(({ name }) => !datapath.devices.includes(name));
    this.#missing = missingDevices(patterns, links);
    if (present.length === 0) throw new Error("no device faces the underlay any more");
    if (datapath.useDevices(present.map(({ name }) => name)))
      for (const listener of this.#listeners) listener();
    for (const link of fresh)
      if (link.mtu < mtu)
        log.warn(
          { device: link.name, mtu: link.mtu, pods: mtu },
          "a smaller MTU than pods': new pods get it when the agent starts the next time",
        );
  }
}
