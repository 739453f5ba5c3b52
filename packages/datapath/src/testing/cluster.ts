// Two nodes, their pods, and a world beyond, in namespaces of this machine; nothing leads out of them.
//
//   pod 1, pod 2 == node 1 (172.18.0.2) --+
//                                         br0 172.18.0.1 fabric 203.0.113.1 -- world 203.0.113.10
//   pod 3, pod 4 == node 2 (172.18.0.3) --+
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Address, Mac, Prefix } from "@tsilium/net";
import { MNT_DETACH, mount, projectRoot, umount2, withNetns } from "@tsilium/syscall";
import { Topology } from "@tsilium/testkit";
import type { Netns } from "@tsilium/testkit";
import type { HookKind } from "../programs/hooks.ts";
import type { DatapathConfig, EndpointEntry, IpcacheEntry } from "../model.ts";
import { routeMtu } from "../node/mtu.ts";
import { plainServices } from "./service-config.ts";
import type { NodeCommands } from "./node-process.ts";
import type { PeerCommands } from "./peer-process.ts";
import { forkInside } from "./remote.ts";
import type { Remote } from "./remote.ts";

const worldIpv4 = "203.0.113.10";
const worldIpv6 = "2001:db8:113::10";
const remoteNodeIdentity = 6;

export type Pod = {
  readonly netns: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly node: number;
  readonly entry: EndpointEntry;
};

export type ClusterOptions = {
  readonly routingMode: DatapathConfig["routingMode"];
  readonly attachBy?: HookKind;
  /** Objects to load instead of dist/bpf. */
  readonly objects?: string;
};

/** What may differ from the cluster's options when a node starts again. */
export type StartChanges = Partial<DatapathConfig> &
  Partial<Pick<ClusterOptions, "attachBy" | "objects">>;

export class TestCluster implements AsyncDisposable {
  static readonly currentObjects =
    process.env["TSILIUM_BPF_OBJECTS"] ?? join(projectRoot(), "dist/bpf");
  readonly world = { ipv4: worldIpv4, ipv6: worldIpv6 };
  readonly pods: Pod[] = [];
  readonly #topology = new Topology();
  readonly #namespaces = new Map<string, Netns>();
  readonly #bpffs = mkdtempSync(join(tmpdir(), "tsit-bpf-"));
  readonly #options: ClusterOptions;
  readonly #nodes = new Map<number, Remote<NodeCommands>>();
  readonly #peers: Remote<PeerCommands>[] = [];

  readonly #onExit = () => this.#abandon();

  private constructor(options: ClusterOptions) {
    this.#options = options;
    process.once("exit", this.#onExit);
  }

  /** Two nodes with running datapaths and two pods each, knowing of each other. */
  static async up(options: ClusterOptions): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    try {
      mount({ source: "bpf", target: cluster.#bpffs, type: "bpf" });
      cluster.#makeFabric();
      for (const node of [1, 2]) cluster.#makeNode(node);
      for (const node of [1, 2]) await cluster.startNode(node);
      for (const node of [1, 1, 2, 2]) await cluster.addPod(node);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  node(number: number): Remote<NodeCommands> {
    return this.#nodes.get(number) as Remote<NodeCommands>;
  }

  pod(number: number): Pod {
    return this.pods[number - 1] as Pod;
  }

  /** Path of a namespace: "fabric", "world", "node-1", "pod-3". */
  netns(name: string): string {
    return this.#inside(name).path;
  }

  bpffs(node: number): string {
    return join(this.#bpffs, `node-${node}`);
  }

  /** Starts a node's datapath in a new process, adopting what an earlier one left. */
  async startNode(number: number, changes: StartChanges = {}): Promise<void> {
    const { objects = this.#options.objects ?? TestCluster.currentObjects, ...others } = changes;
    const { attachBy = this.#options.attachBy, ...config } = others;
    const script = join(import.meta.dirname, "node-process.ts");
    const remote = forkInside<NodeCommands>(this.netns(`node-${number}`), script);
    this.#nodes.set(number, remote);
    await remote.call("start", {
      config: { ...this.config(number), ...config },
      bpffs: this.bpffs(number),
      objects,
      ...(attachBy ? { attachBy } : {}),
    });
    await this.#tellOfNodes(number);
  }

  config(number: number): DatapathConfig {
    return {
      enableIpv4: true,
      enableIpv6: true,
      routingMode: this.#options.routingMode,
      tunnelPort: 8472,
      devices: ["eth0"],
      nodeIpv4: Address.parse(`172.18.0.${number + 1}`),
      nodeIpv6: Address.parse(`fc00:18::${number + 1}`),
      routerIpv4: Address.parse(`10.244.${number - 1}.1`),
      routerIpv6: Address.parse(`fd00:10:244:${number - 1}::1`),
      podCidrs: podCidrs(number),
      enableIpv4Masquerade: true,
      enableIpv6Masquerade: true,
      ipv4NativeRoutingCidr: Prefix.parse("10.244.0.0/16"),
      ipv6NativeRoutingCidr: Prefix.parse("fd00:10:244::/56"),
      mtu: 1500,
      natPortRange: [32768, 65535],
      conntrackMax: 16_384,
      natMax: 16_384,
      autoDirectNodeRoutes: this.#options.routingMode === "native",
      services: plainServices,
    };
  }

  /** Makes a pod on a node and tells every node of its addresses; answers it with the time `upsert` took. */
  async addPod(node: number): Promise<{ pod: Pod; upsertMs: number }> {
    const pod = this.#makePod(node, this.pods.length + 1);
    this.pods.push(pod);
    const upsertMs = await this.node(node).call("upsertEndpoint", pod.entry);
    for (const other of this.#nodes.keys())
      await this.node(other).call("upsertIpcache", this.#ipcacheOf(pod, other));
    return { pod, upsertMs };
  }

  /** A process for TCP conversations inside a namespace, ended with the cluster. */
  peer(netns: string): Remote<PeerCommands> {
    const peer = forkInside<PeerCommands>(netns, join(import.meta.dirname, "peer-process.ts"));
    this.#peers.push(peer);
    return peer;
  }

  /** Packets that ping(8) lost, of those it sent from a namespace. */
  async pingLoss(from: string, target: string, options: string[] = []): Promise<number> {
    const netns = [...this.#namespaces.values()].find(({ path }) => path === from);
    if (!netns) throw new Error(`no namespace at ${from}`);
    const { stdout, stderr } = await netns.exec("ping", ["-n", "-q", "-W1", ...options, target]);
    const counts = /(\d+) packets transmitted, (\d+) received/.exec(stdout);
    if (!counts) throw new Error(`ping said: ${stdout}${stderr}`);
    return Number(counts[1]) - Number(counts[2]);
  }

  /** ip(8) inside a namespace. */
  ip(netns: string, ...args: string[]): string {
    return withNetns(this.netns(netns), () => execFileSync("ip", args, { encoding: "utf8" }));
  }

  /** A device that leads nowhere, of a kind that has no native XDP. */
  addBridge(netns: string, device: string): void {
    this.#inside(netns).rtnl.links.add({
      name: device,
      kind: { type: "bridge" },
      up: true,
    });
  }

  /** A further wire from the fabric to a node, whose end of it (172.19.0.2) is down; the fabric's is 172.19.0.1. */
  addWire(node: number, device: string): void {
    const inside = this.#inside(`node-${node}`);
    const fabric = this.#inside("fabric");
    const port = `${device}n${node}`;
    this.#topology.wire(
      { netns: fabric, device: port, addresses: ["172.19.0.1/24"] },
      { netns: inside, device, addresses: ["172.19.0.2/24"] },
    );
    inside.rtnl.links.set(device, { up: false });
    const mac = inside.rtnl.links.get(device)?.mac ?? Mac.random();
    fabric.rtnl.neighbours.replace({ device: port, address: Address.parse("172.19.0.2"), mac });
  }

  /** Pings that have reached a namespace. */
  pingsHeard(netns: string): number {
    const text = withNetns(netns, () => readFileSync("/proc/thread-self/net/snmp", "utf8"));
    const [names = [], values = []] = text
      .split("\n")
      .filter((line) => line.startsWith("Icmp:"))
      .map((line) => line.split(" "));
    return Number(values[names.indexOf("InEchos")]);
  }

  /** Reads a setting below net/, or writes it. */
  sysctl(netns: string, path: string, value?: string): string {
    const file = `/proc/sys/net/${path}`;
    return withNetns(this.netns(netns), () => {
      if (value !== undefined) writeFileSync(file, value);
      return readFileSync(file, "utf8").trim();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off("exit", this.#onExit);
    for (const remote of [...this.#nodes.values(), ...this.#peers]) await remote.kill();
    this.#removeTraces();
  }

  /** An exit waits for nobody. */
  #abandon(): void {
    for (const remote of [...this.#nodes.values(), ...this.#peers]) void remote.kill();
    this.#removeTraces();
  }

  #removeTraces(): void {
    this.#topology[Symbol.dispose]();
    umount2(this.#bpffs, MNT_DETACH);
    rmSync(this.#bpffs, { recursive: true });
  }

  #inside(name: string): Netns {
    const netns = this.#namespaces.get(name);
    if (!netns) throw new Error(`no namespace ${name} in this cluster`);
    return netns;
  }

  #namespace(name: string): Netns {
    const netns = this.#topology.netns(name);
    this.#namespaces.set(name, netns);
    return netns;
  }

  #makeFabric(): void {
    const fabric = this.#namespace("fabric");
    const world = this.#namespace("world");
    fabric.rtnl.links.add({ name: "br0", kind: { type: "bridge" }, up: true });
    for (const address of ["172.18.0.1/24", "fc00:18::1/64", linkLocal(1)])
      fabric.addAddress("br0", address);
    this.#topology.wire(
      {
        netns: fabric,
        device: "world0",
        addresses: ["203.0.113.1/24", "2001:db8:113::1/64", linkLocal(1)],
      },
      { netns: world, device: "eth0", addresses: [`${worldIpv4}/24`, `${worldIpv6}/64`] },
    );
    addDefaultRoutes(world, ["203.0.113.1", "2001:db8:113::1"]);
    fabric.sysctl("ipv4/ip_forward", 1);
    fabric.sysctl("ipv6/conf/all/forwarding", 1);
  }

  #makeNode(number: number): void {
    mkdirSync(this.bpffs(number));
    const node = this.#namespace(`node-${number}`);
    const fabric = this.#inside("fabric");
    const port = `node${number}`;
    const addresses = [
      `172.18.0.${number + 1}/24`,
      `fc00:18::${number + 1}/64`,
      linkLocal(number + 1),
    ];
    this.#topology.wire(
      { netns: fabric, device: port },
      { netns: node, device: "eth0", addresses },
    );
    fabric.rtnl.links.set(port, { master: "br0" });
    addDefaultRoutes(node, ["172.18.0.1", "fc00:18::1"]);
  }

  #makePod(node: number, number: number): Pod {
    const device = `lxc${number}`;
    const pod = this.#namespace(`pod-${number}`);
    const host = this.#inside(`node-${node}`);
    const ipv4 = Address.parse(`10.244.${node - 1}.${number + 10}`);
    const ipv6 = Address.parse(`fd00:10:244:${node - 1}::${number + 10}`);
    const addresses = [`${ipv4}/32`, `${ipv6}/128`];
    this.#topology.wire({ netns: host, device }, { netns: pod, device: "eth0", addresses });
    const config = this.config(node);
    const { routerIpv4, routerIpv6 } = config;
    addPodRoutes(pod, [routerIpv4, routerIpv6] as Address[], routeMtu(config));
    const hostLink = host.rtnl.links.get(device);
    const podLink = pod.rtnl.links.get("eth0");
    const entry: EndpointEntry = {
      id: 100 + number,
      ifindex: hostLink?.index ?? 0,
      identity: 1000 + number,
      ipv4,
      ipv6,
      mac: podLink?.mac ?? Mac.random(),
      nodeMac: hostLink?.mac ?? Mac.random(),
      subject: 1,
      netnsCookie: 0n,
    };
    return { netns: pod.path, ipv4: String(ipv4), ipv6: String(ipv6), node, entry };
  }

  async #tellOfNodes(number: number): Promise<void> {
    const tunnel = this.#options.routingMode === "tunnel";
    for (const other of [1, 2]) {
      const { nodeIpv4, nodeIpv6, routerIpv4, routerIpv6 } = this.config(other);
      const own = other === number;
      const routed = {
        name: `node-${other}`,
        ipv4: nodeIpv4,
        ipv6: nodeIpv6,
        podCidrs: podCidrs(other),
      };
      const underlay = [nodeIpv4, nodeIpv6] as Address[];
      for (const address of underlay)
        await this.node(number).call(
          "upsertNode",
          { address, local: own },
          own ? undefined : routed,
        );
      const identity = own ? 1 : remoteNodeIdentity;
      const entry = (address: Address, tunnelled: boolean): IpcacheEntry => ({
        prefix: Prefix.host(address),
        identity,
        tunnelEndpoint: tunnelled && tunnel && !own ? nodeIpv4 : undefined,
        owner: other,
        cidrSet: 0,
      });
      const routers = [routerIpv4, routerIpv6] as Address[];
      const entries = [
        ...underlay.map((address) => entry(address, false)),
        ...routers.map((address) => entry(address, true)),
      ];
      await this.node(number).call("upsertIpcache", entries);
    }
    for (const pod of this.pods)
      await this.node(number).call("upsertIpcache", this.#ipcacheOf(pod, number));
  }

  /** A pod's addresses as `node` must know them. */
  #ipcacheOf(pod: Pod, node: number): IpcacheEntry[] {
    const remote = pod.node !== node && this.#options.routingMode === "tunnel";
    const tunnelEndpoint = remote ? this.config(pod.node).nodeIpv4 : undefined;
    const { identity, ipv4, ipv6 } = pod.entry;
    return ([ipv4, ipv6] as Address[]).map((address) => ({
      prefix: Prefix.host(address),
      identity,
      tunnelEndpoint,
      owner: pod.entry.id,
      cidrSet: 0,
    }));
  }
}

function podCidrs(node: number): Prefix[] {
  return [Prefix.parse(`10.244.${node - 1}.0/24`), Prefix.parse(`fd00:10:244:${node - 1}::/64`)];
}

/** As pods have them: the gateway is on the link, everything else behind it. */
function addPodRoutes(pod: Netns, gateways: readonly Address[], mtu: number): void {
  for (const gateway of gateways) {
    pod.rtnl.routes.add({ destination: Prefix.host(gateway), device: "eth0" });
    pod.rtnl.routes.add({ destination: everything(gateway), gateway, device: "eth0", mtu });
  }
}

function addDefaultRoutes(netns: Netns, gateways: readonly string[]): void {
  for (const gateway of gateways.map((text) => Address.parse(text)))
    netns.rtnl.routes.add({ destination: everything(gateway), gateway });
}

/** The default route's destination, of an address's family. */
function everything({ family }: Address): Prefix {
  return Prefix.parse(family === 4 ? "0.0.0.0/0" : "::/0");
}

/**
 * Routers need one on every link (RFC 4291 2.8): Linux solicits neighbours for packets that it forwards from its
 * link-local address, and not at all when it has none. Wires of the testkit come without.
 */
function linkLocal(number: number): string {
  return `fe80::${number}/64`;
}
