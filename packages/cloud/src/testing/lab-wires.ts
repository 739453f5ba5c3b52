// Interfaces of the simulated account as veth pairs of a lab: one end in the node, the other the fabric's, which is the
// VPC's router. As in a VPC the router knows by itself which interface has an address, nobody answers for it on the wire,
// and what comes in by an interface that does not have its source is dropped (AWS's source check; here the strict reverse
// path filter).
//
//   fabric: br0 172.18.0.1/24 --------------------------------- node-1 eth0
//           vpc1 100.64.1.1, routes to each of its addresses === node-1 ens6
//
// The first interface is the lab's own wire, on one network with other instances': that they too find its further addresses
// without anybody answering for them is what the VPC does, here entries of theirs for neighbours. These name the router, so
// that its checks are not gone around.
import { closeSync, openSync, writeFileSync } from "node:fs";
import { Address, Mac, Prefix } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import { addresses, type SimInterface, type World, type WorldChange } from "./world.ts";

/** Runs in the fabric's network namespace. */
export class LabWires implements Disposable {
  readonly #rtnl = Rtnl.open();
  readonly #world: World;
  readonly #netnsOf: (instanceId: string) => string | undefined;
  readonly #ports = new Map<string, string>();
  #made = 0;

  /** @param netnsOf path of an instance's network namespace */
  constructor(world: World, netnsOf: (instanceId: string) => string | undefined) {
    this.#world = world;
    this.#netnsOf = netnsOf;
    checkSources("br0");
    // A VPC's router does not tell of shorter ways.
    for (const device of ["all", "br0"]) setOf(device, "send_redirects", "0");
    world.onChange = (change) => this.#change(change);
  }

  [Symbol.dispose](): void {
    for (const port of this.#ports.values()) this.#rtnl.links.delete(port);
    this.#rtnl[Symbol.dispose]();
  }

  #change({ instanceId, before, after }: WorldChange): void {
    const eni = after ?? before;
    const index = (after?.attachment ?? before?.attachment)?.index ?? 0;
    if (!eni) return;
    if (index === 0) return this.#tellNeighbours(before, after);
    if (!after?.attachment) return this.#unplug(eni.id);
    const port = this.#ports.get(after.id) ?? this.#plug(after, { instanceId, index });
    if (port !== undefined) this.#route(port, before, after);
  }

  #plug(
    eni: SimInterface,
    { instanceId, index }: { readonly instanceId: string; readonly index: number },
  ): string | undefined {
    const netns = this.#netnsOf(instanceId);
    if (netns === undefined) return undefined;
    const port = `vpc${++this.#made}`;
    const netnsFd = openSync(netns, "r");
    try {
      // Down, as it comes to a machine.
      const peer = { name: `ens${5 + index}`, netnsFd, mac: Mac.parse(eni.mac) };
      this.#rtnl.links.add({ name: port, kind: { type: "veth", peer } });
    } finally {
      closeSync(netnsFd);
    }
    this.#rtnl.links.set(port, { up: true });
    const router = Prefix.parse(this.#world.subnet(eni.subnetId).cidr).nth(1);
    this.#rtnl.addresses.add({ device: port, address: router, length: 32 });
    checkSources(port);
    this.#ports.set(eni.id, port);
    return port;
  }

  #unplug(id: string): void {
    const port = this.#ports.get(id);
    if (port !== undefined) this.#rtnl.links.delete(port);
    this.#ports.delete(id);
  }

  #tellNeighbours(before: SimInterface | undefined, after: SimInterface | undefined): void {
    const was = before ? further(before) : [];
    const is = after ? further(after) : [];
    const { gone, present } = differenceOf(was, is);
    const self = (after ?? before)?.attachment?.instanceId;
    const others = [...this.#world.instances.keys()].filter((id) => id !== self);
    const tell = (rtnl: Rtnl, device: string, mac: Mac | undefined): void => {
      for (const address of gone) rtnl.neighbours.delete({ device, address });
      if (mac) for (const address of present) rtnl.neighbours.replace({ device, address, mac });
    };
    tell(this.#rtnl, "br0", after && Mac.parse(after.mac));
    const router = this.#rtnl.links.get("br0")?.mac;
    for (const netns of others.flatMap((id) => this.#netnsOf(id) ?? [])) {
      using rtnl = Rtnl.open({ netns });
      tell(rtnl, "eth0", router);
    }
  }

  #route(port: string, before: SimInterface | undefined, after: SimInterface): void {
    const was = before?.attachment ? held(before) : [];
    const is = held(after);
    const { gone, present } = differenceOf(was, is);
    for (const address of gone) {
      this.#rtnl.routes.delete({ destination: Prefix.host(address), device: port });
      this.#rtnl.neighbours.delete({ device: port, address });
    }
    for (const address of present) {
      this.#rtnl.neighbours.replace({ device: port, address, mac: Mac.parse(after.mac) });
      this.#rtnl.routes.replace({ destination: Prefix.host(address), device: port });
    }
  }
}

function checkSources(device: string): void {
  setOf(device, "rp_filter", "1");
}

function setOf(device: string, name: string, value: string): void {
  writeFileSync(`/proc/sys/net/ipv4/conf/${device}/${name}`, value);
}

function differenceOf(was: readonly string[], is: readonly string[]) {
  const gone = was.filter((each) => !is.includes(each)).map((text) => Address.parse(text));
  return { gone, present: is.map((text) => Address.parse(text)) };
}

function held(eni: SimInterface): string[] {
  return [eni.primary, ...further(eni)];
}

/** Addresses beside an interface's own. */
function further({ secondary, prefixes }: SimInterface): string[] {
  return [...secondary, ...prefixes.flatMap((prefix) => addresses(Prefix.parse(prefix)))];
}
