// A real network around tsi_xdp: a client, a node, and another node with a pod, on one wire.
//
//   client 203.0.113.10 --+
//                         br0 == eth0 [tsi_xdp] node 172.18.0.2, 203.0.113.1
//   pod --- 172.18.0.3  --+
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Link, loadCollection, type Program, type XdpMode } from "@tsilium/ebpf";
import { Address, Mac, Prefix } from "@tsilium/net";
import { projectRoot } from "@tsilium/syscall";
import { type Netns, setTxChecksumOffload, Topology } from "@tsilium/testkit";
import type { PeerCommands } from "../../packages/datapath/src/testing/peer-process.ts";
import { forkInside, type Remote } from "../../packages/datapath/src/testing/remote.ts";
import { compileTestObject } from "./compile.ts";
import { node as nodeAddress, otherNode, type Party, remotePod, router, world } from "./world.ts";
import { links } from "./xdp-netns.ts";
import { podBehindIpv6 } from "./xdp-world.ts";

const gateway: Party = { 4: "203.0.113.1", 6: "2001:db8:113::1" };
const families = [4, 6] as const;

export type LanOptions = {
  /** Which family the other node's tunnel to this one has; undefined: there is none. */
  readonly tunnel?: 4 | 6;
  /** Whether senders finish their checksums themselves. */
  readonly checksumOffload: "on" | "off";
};

export class Lan implements AsyncDisposable {
  readonly #client: Remote<PeerCommands>;
  readonly #pod: Remote<PeerCommands>;
  readonly #node: Netns;
  readonly #other: Netns;
  readonly #topology: Topology;
  readonly #attached = new DisposableStack();

  private constructor(
    topology: Topology,
    places: { readonly client: Netns; readonly node: Netns; readonly other: Netns },
  ) {
    this.#topology = topology;
    this.#node = places.node;
    this.#other = places.other;
    const script = join(projectRoot(), "packages/datapath/src/testing/peer-process.ts");
    this.#client = forkInside<PeerCommands>(places.client.path, script);
    this.#pod = forkInside<PeerCommands>(places.other.path, script);
  }

  static async up({ tunnel, checksumOffload }: LanOptions): Promise<Lan> {
    const topology = new Topology();
    const [fabric, client] = [topology.netns("fabric"), topology.netns("client")];
    const [node, other] = [topology.netns("node"), topology.netns("other")];
    const lan = new Lan(topology, { client, node, other });
    try {
      fabric.rtnl.links.add({ name: "br0", kind: { type: "bridge" }, up: true });
      const plug = (netns: Netns, port: string, mac: string, parties: readonly Party[]) => {
        const addresses = parties.flatMap((party) => [`${party[4]}/24`, `${party[6]}/64`]);
        const end = { netns, device: "eth0", mac: Mac.parse(mac), addresses };
        topology.wire({ netns: fabric, device: port }, end);
        fabric.rtnl.links.set(port, { master: "br0" });
        setTxChecksumOffload(netns, "eth0", checksumOffload);
      };
      plug(client, "client", links.gateway, [world]);
      plug(node, "node", links.eth0, [nodeAddress, gateway]);
      plug(other, "other", links.otherNode, [otherNode]);
      for (const family of ["ipv4", "ipv6"]) node.sysctl(`${family}/conf/all/forwarding`, 1);
      // Routers need one on every link (RFC 4291 2.8): Linux solicits neighbours from it for what it forwards.
      node.addAddress("eth0", "fe80::2/64");
      lan.#addRoutes(client);
      if (tunnel) await lan.#addTunnel(tunnel);
      lan.#passAllAt(fabric, "node");
      await lan.#pod.call("listen", 8080);
      return lan;
    } catch (error) {
      await lan[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The node's neighbours are known, so that no frame needs the kernel's help. */
  async meet(): Promise<void> {
    for (const family of families)
      for (const party of [world, otherNode]) {
        const args = [`-${family}`, "-c1", "-W2", party[family]];
        const { status, stdout } = await this.#node.exec("ping", args);
        if (status !== 0) throw new Error(stdout);
      }
  }

  /** What the client hears when it says something in a connection of its own. */
  async say(host: string, port: number, line: string): Promise<string> {
    const connection = await this.connect(host, port);
    return this.exchange(connection, line);
  }

  connect(host: string, port: number): Promise<number> {
    return this.#client.call("connect", host, port);
  }

  /** @throws Error when the answer takes longer than a stalled connection's first retries. */
  exchange(connection: number, line: string): Promise<string> {
    return Promise.race([this.#client.call("exchange", connection, line), silence()]);
  }

  attachXdp(program: Program, mode: XdpMode): Disposable {
    return this.#attached.use(
      this.#node.run(() => Link.attachXdp(program, this.#nodeDevice(), mode)),
    );
  }

  /**
   * Nothing but XDP carries packets then. The one in 65536 whose finished checksum looks as if it were not is lost, and
   * sent again with another one.
   */
  attachWall(): Disposable {
    using loaded = loadCollection(compileTestObject("xdp_wall"));
    return this.attachTc(loaded.program("wall"), "ingress");
  }

  attachTc(program: Program, direction: "ingress" | "egress"): Disposable {
    return this.#attached.use(
      this.#node.run(() => Link.attachTcx(program, this.#nodeDevice(), direction)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.kill();
    await this.#pod.kill();
    this.#attached[Symbol.dispose]();
    this.#topology[Symbol.dispose]();
  }

  #nodeDevice(): number {
    return this.#node.rtnl.links.index("eth0");
  }

  #addRoutes(client: Netns): void {
    for (const family of families) {
      const everything = Prefix.parse(family === 4 ? "0.0.0.0/0" : "::/0");
      client.rtnl.routes.add({
        destination: everything,
        gateway: Address.parse(gateway[family]),
        // Room for the tunnel.
        mtu: 1400,
      });
      for (const pod of [remotePod, podBehindIpv6])
        this.#other.addAddress("lo", `${pod[family]}/${family === 4 ? 32 : 128}`);
      this.#node.rtnl.routes.add({
        destination: Prefix.host(Address.parse(remotePod[family])),
        gateway: Address.parse(otherNode[family]),
      });
    }
  }

  /**
   * The kernel's own tunnel to the node, which checks what XDP writes: over IPv6 the checksum too. Its link address is
   * the one that frames inside are for.
   */
  async #addTunnel(family: 4 | 6): Promise<void> {
    const { rtnl } = this.#other;
    const ends = ["local", otherNode[family], "remote", nodeAddress[family]];
    const kind = ["type", "vxlan", "id", "2", "dstport", "8472", "noudp6zerocsumrx"];
    const link = ["link", "add", "vx", "address", links.eth0, "mtu", "1400"];
    const { status, stderr } = await this.#other.exec("ip", [...link, ...kind, ...ends]);
    if (status !== 0) throw new Error(stderr);
    rtnl.links.set("vx", { addrGenMode: "none" });
    rtnl.links.set("vx", { up: true });
    setTxChecksumOffload(this.#other, "vx", "off");
    for (const inside of families) {
      const address = Address.parse(router[inside]);
      rtnl.routes.add({ destination: Prefix.host(address), device: "vx" });
      rtnl.neighbours.replace({ device: "vx", address, mac: Mac.parse(links.eth0) });
    }
  }

  /** What XDP sends back by a veth arrives only where there is a program too. */
  #passAllAt(netns: Netns, device: string): void {
    using loaded = loadCollection(compileTestObject("xdp_replay"));
    const index = netns.rtnl.links.index(device);
    const nothing = loaded.program("nothing");
    this.#attached.use(netns.run(() => Link.attachXdp(nothing, index, "native")));
  }
}

async function silence(): Promise<never> {
  await sleep(15_000, undefined, { ref: false });
  throw new Error("no answer within 15 s");
}
