// Two nodes whose pods are routed by the kernel and nothing else, and a world beyond, as a rule set finds them. What is
// for the second node goes through the first, with rules and without, there and back:
//
//   client, server == node a 172.18.0.2 ==+
//                                         br0 172.18.0.1 [fabric] 203.0.113.1 == 203.0.113.10 world
//   remote server  == node b 172.18.0.3 ==+
import { Address, Prefix } from "@tsilium/net";
import type { Netns, Topology } from "@tsilium/testkit";
import type { Programmed } from "../programmed.ts";
import { type RuleFacts, type RuleSet, apply } from "../rules/rule-set.ts";
import {
  type BenchService,
  measuredService,
  type ServiceEndpoint,
  servicesWith,
} from "../workload.ts";
import { type Path, type Server, serverPort } from "./path.ts";

const nodeAddresses = { a: "172.18.0.2", b: "172.18.0.3" } as const;
const gateway = "10.244.0.1";
const pods = { client: "10.244.0.11", server: "10.244.0.12", remote: "10.244.1.13" } as const;
const worldAddress = "203.0.113.10";
const facts: RuleFacts = {
  nodeAddress: nodeAddresses.a,
  podCidr: "10.128.0.0/9",
  serviceCidr: "10.96.0.0/16",
};
const onLocalPod = measuredService(0, [{ address: pods.server, port: serverPort }]);
const onRemotePod = measuredService(1, [{ address: pods.remote, port: serverPort }]);

export class KernelScene {
  readonly servers: readonly Server[];
  readonly #nodeA: Netns;
  readonly #client: Netns;
  readonly #world: Netns;

  /** Lives as long as the topology. */
  constructor(topology: Topology, label: string) {
    const fabric = topology.netns(`${label}-fabric`);
    fabric.rtnl.links.add({ name: "br0", kind: { type: "bridge" }, addrGenMode: "none", up: true });
    fabric.addAddress("br0", "172.18.0.1/24");
    const [nodeA, nodeB] = (["a", "b"] as const).map((name) => {
      const node = topology.netns(`${label}-node-${name}`);
      const device = `node-${name}`;
      const addresses = [`${nodeAddresses[name]}/24`];
      topology.wire({ netns: fabric, device }, { netns: node, device: "eth0", addresses });
      fabric.rtnl.links.set(device, { master: "br0" });
      return node;
    }) as [Netns, Netns];
    this.#world = topology.netns(`${label}-world`);
    topology.wire(
      { netns: fabric, device: "world0", addresses: ["203.0.113.1/24"] },
      { netns: this.#world, device: "eth0", addresses: [`${worldAddress}/24`] },
    );
    this.#nodeA = nodeA;
    this.#client = addPod(topology, nodeA, { label: `${label}-client`, address: pods.client });
    const server = addPod(topology, nodeA, { label: `${label}-server`, address: pods.server });
    const remote = addPod(topology, nodeB, { label: `${label}-remote`, address: pods.remote });
    this.servers = [server, remote].map(({ path }) => ({ netns: path, port: serverPort }));
    addRoutes({ fabric, nodeA, nodeB, world: this.#world });
  }

  /** Puts so many services, the measured ones among them, into the first node's rules. */
  async program(
    rules: RuleSet,
    count: number,
    additions: readonly BenchService[],
  ): Promise<Programmed> {
    const services = [...servicesWith([onLocalPod, onRemotePod], count)];
    const allMs = await apply(rules, this.#nodeA, rules.all(services, facts));
    const addMs: number[] = [];
    for (const addition of additions) {
      services.push(addition);
      addMs.push(await apply(rules, this.#nodeA, rules.addLast(services, facts)));
    }
    return { allMs, addMs };
  }

  /** The ways to the measured services; without rules, to the pods behind them. */
  paths(name: string, target: "services" | "pods"): Path[] {
    const behind = (address: string) => ({ address, port: serverPort });
    const direct = target === "pods";
    const fromPod = { netns: this.#client.path };
    const fromWorld = { netns: this.#world.path };
    const { clusterIp, port } = onLocalPod;
    return [
      {
        route: "pod",
        name,
        client: fromPod,
        target: direct ? behind(pods.server) : { address: clusterIp, port },
      },
      {
        route: "world",
        name,
        client: fromWorld,
        target: direct ? behind(pods.server) : nodePortOf(onLocalPod),
      },
      {
        route: "world-remote",
        name,
        client: fromWorld,
        target: direct ? behind(pods.remote) : nodePortOf(onRemotePod),
      },
    ];
  }
}

function nodePortOf({ nodePort = 0 }: BenchService): ServiceEndpoint {
  return { address: nodeAddresses.a, port: nodePort };
}

type Pod = { readonly label: string; readonly address: string };

/** A pod on a wire of its own; the node has a route to it and is its gateway. */
function addPod(topology: Topology, node: Netns, { label, address }: Pod): Netns {
  const pod = topology.netns(label);
  const device = `pod-${address.split(".").at(-1)}`;
  topology.wire(
    { netns: node, device, addresses: [`${gateway}/32`] },
    { netns: pod, device: "eth0", addresses: [`${address}/32`] },
  );
  node.rtnl.routes.add({ destination: Prefix.parse(`${address}/32`), device });
  pod.rtnl.routes.add({ destination: Prefix.parse(`${gateway}/32`), device: "eth0" });
  pod.rtnl.routes.add({ destination: anywhere, gateway: Address.parse(gateway) });
  return pod;
}

type Nodes = Readonly<Record<"fabric" | "nodeA" | "nodeB" | "world", Netns>>;

const anywhere = Prefix.parse("0.0.0.0/0");

function addRoutes({ fabric, nodeA, nodeB, world }: Nodes): void {
  const via = (address: string, network: string) => ({
    destination: Prefix.parse(network),
    gateway: Address.parse(address),
  });
  for (const router of [fabric, nodeA, nodeB]) router.sysctl("ipv4/ip_forward", 1);
  // The shortest way to the second node is not the one that is measured.
  for (const scope of ["all", "eth0"]) nodeA.sysctl(`ipv4/conf/${scope}/send_redirects`, 0);
  world.rtnl.routes.add(via("203.0.113.1", "0.0.0.0/0"));
  fabric.rtnl.routes.add(via(nodeAddresses.a, "10.244.0.0/16"));
  nodeA.rtnl.routes.add(via("172.18.0.1", "0.0.0.0/0"));
  nodeA.rtnl.routes.add(via(nodeAddresses.b, "10.244.1.0/24"));
  nodeB.rtnl.routes.add(via(nodeAddresses.a, "0.0.0.0/0"));
}
