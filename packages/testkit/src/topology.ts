// Namespaces and the wires between them, for one test. Everything is gone afterwards: by `using`, at exit of
// the process, and what a killed process left is removed by the next one.
//
//   +--- tsit-PID-1-client ---+        +--- tsit-PID-1-server ---+
//   |  eth0 10.0.0.1/24       |--veth--|  eth0 10.0.0.2/24       |
//   +-------------------------+        +-------------------------+
import { existsSync, readdirSync } from "node:fs";
import type { Mac } from "@tsilium/net";
import { close, open, O_RDONLY } from "@tsilium/syscall";
import { Netns, removeNetns } from "./netns.ts";

const prefix = "tsit";
let topologies = 0;

/** One end of a wire. */
export type WireEnd = {
  readonly netns: Netns;
  readonly device: string;
  /** "10.0.0.1/24", "fd00::1/64" */
  readonly addresses?: readonly string[];
  readonly mac?: Mac;
  readonly mtu?: number;
};

/** The namespaces of one test. */
export class Topology implements Disposable {
  readonly #name: string;
  readonly #namespaces: Netns[] = [];
  readonly #onExit = () => this[Symbol.dispose]();

  constructor() {
    removeLeftovers();
    this.#name = `${prefix}-${process.pid}-${++topologies}`;
    process.once("exit", this.#onExit);
  }

  /** A fresh namespace; `label` ends its name. */
  netns(label: string): Netns {
    const netns = Netns.create(`${this.#name}-${label}`);
    this.#namespaces.push(netns);
    return netns;
  }

  /** A veth pair, up at both ends, without IPv6 link-local addresses: nothing is on the wire that the test did not send. */
  wire(a: WireEnd, b: WireEnd): void {
    const peerNetns = open(b.netns.path, O_RDONLY);
    try {
      a.netns.rtnl.links.add({
        name: a.device,
        kind: { type: "veth", peer: { name: b.device, netnsFd: peerNetns, ...linkFacts(b) } },
        ...linkFacts(a),
      });
    } finally {
      close(peerNetns);
    }
    for (const end of [a, b]) {
      end.netns.rtnl.links.set(end.device, { addrGenMode: "none" });
      end.netns.rtnl.links.set(end.device, { up: true });
      for (const address of end.addresses ?? []) end.netns.addAddress(end.device, address);
    }
  }

  [Symbol.dispose](): void {
    process.off("exit", this.#onExit);
    for (const netns of this.#namespaces.splice(0)) netns[Symbol.dispose]();
  }
}

function linkFacts({ mac, mtu }: WireEnd): { readonly mac?: Mac; readonly mtu?: number } {
  return { ...(mac ? { mac } : {}), ...(mtu === undefined ? {} : { mtu }) };
}

/**
 * Removes namespaces of test processes that no longer run. One that cannot be removed, since something was mounted
 * over it (`ip netns add` does that to the folder, once), is in nobody's way.
 */
export function removeLeftovers(): void {
  if (!existsSync("/var/run/netns")) return;
  for (const name of readdirSync("/var/run/netns")) {
    const owner = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    try {
      removeNetns(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY") throw error;
    }
  }
}
