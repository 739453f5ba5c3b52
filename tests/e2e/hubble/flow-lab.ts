// The lab that flows are looked at in: pods that talk, services of every kind, and one namespace of it all.
//
//   node-1: client, near, on-host (the node's network)      node-2: far, on-far-host      world: an echo server
import type { KubeObject, Pod, PodSpec } from "@tsilium/kube";
import type { Lab } from "../harness.ts";
import { echoPort, echoPod, loadBalancerPool, service } from "../services/service-objects.ts";
import { type Family, nodeAddress, ServiceLab, worldAddresses } from "../services/service-lab.ts";
import { type Names, namesOf } from "./names.ts";
import type { SeenFlow } from "./seen.ts";
import type { Place, Senders } from "./traffic.ts";

export const namespace = "flows";
export const nodes = ["node-1", "node-2"] as const;

/** Of pods in their node's network. */
export const hostPort = 8090;
/** Ports that pods serve for one service alone, so that its flows are told by them. */
export const portsOf = { outside: 8081, balanced: 8082, guarded: 8084 } as const;
export const nodePorts = { outside: 30_081, inside: 30_082, guarded: 30_084 } as const;
/** Of `web` and `nobody`: one for each row of traffic, since the flow of a socket tells nothing of its client's port. */
export const servicePorts = {
  podTcp: 81,
  podUdp: 82,
  podConnected: 83,
  node: 84,
  nobodyTcp: 85,
  nobodyUdp: 86,
} as const;

/** An echo pod that nobody probes: probes would be flows too. */
export function pod(
  name: string,
  node: string,
  morePorts: readonly number[] = [],
  spec: Partial<PodSpec> = {},
): Pod {
  const made = echoPod({ name, namespace, node });
  const ports = [spec.hostNetwork ? hostPort : echoPort, ...morePorts].flatMap((containerPort) =>
    (["TCP", "UDP"] as const).map((protocol) => ({ containerPort, protocol })),
  );
  const containers = [{ name: "echo", image: "tsilium.io/echo", ports }];
  return { ...made, spec: { ...made.spec, ...spec, containers } };
}

function flowObjects(): KubeObject[] {
  const both = (port: number, targetPort: number, nodePort?: number) =>
    (["TCP", "UDP"] as const).map((protocol) => ({
      name: `${protocol.toLowerCase()}-${port}`,
      port,
      protocol,
      targetPort,
      ...(nodePort === undefined ? {} : { nodePort }),
    }));
  const serving = (name: string, spec: object) =>
    service(name, namespace, { selector: { app: "far" }, ...spec });
  const everyPort = Object.values(servicePorts).flatMap((port) => both(port, echoPort));
  return [
    loadBalancerPool("flows", { cidr: "198.51.100.0/24" }, { cidr: "2001:db8:51::/112" }),
    pod("client", "node-1"),
    pod("near", "node-1"),
    pod("far", "node-2", [portsOf.outside, portsOf.balanced]),
    pod("on-host", "node-1", [], { hostNetwork: true }),
    pod("on-far-host", "node-2", [], { hostNetwork: true }),
    serving("web", { ports: everyPort }),
    serving("outside", { type: "NodePort", ports: both(80, portsOf.outside, nodePorts.outside) }),
    serving("inside", { type: "NodePort", ports: both(80, echoPort, nodePorts.inside) }),
    serving("balanced", {
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      ports: both(80, portsOf.balanced),
    }),
    serving("foreign", {
      type: "LoadBalancer",
      allocateLoadBalancerNodePorts: false,
      ports: both(80, echoPort),
      loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8::/64"],
    }),
    service("nobody", namespace, { selector: { app: "nobody" }, ports: everyPort }),
  ];
}

export class FlowLab implements AsyncDisposable {
  readonly cluster: ServiceLab;
  names: Names;

  private constructor(cluster: ServiceLab, names: Names) {
    this.cluster = cluster;
    this.names = names;
  }

  static async up(purpose: string, set: Readonly<Record<string, string>> = {}): Promise<FlowLab> {
    const cluster = await ServiceLab.up({ purpose, namespaces: [namespace], set });
    try {
      await cluster.apply(...flowObjects());
      const flows = new FlowLab(cluster, await namesOf(cluster.lab, nodes, namespace));
      await flows.rename();
      return flows;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get lab(): Lab {
    return this.cluster.lab;
  }

  /** Looks again who is who. */
  async rename(): Promise<void> {
    const services = await this.cluster.services(namespace);
    const own = Object.entries(services).flatMap(([name, { clusterIps, loadBalancerIps }]) => [
      ...clusterIps.map((address) => [address, `${name}.service`]),
      ...loadBalancerIps.map((address) => [address, `${name}.balancer`]),
    ]);
    const dns = await this.cluster.services("kube-system");
    const more = (dns["kube-dns"]?.clusterIps ?? []).map((address) => [
      address,
      "kube-dns.service",
    ]);
    this.names = await namesOf(
      this.lab,
      nodes,
      namespace,
      Object.fromEntries([...own, ...more]) as Record<string, string>,
    );
  }

  /** The address that has this name. */
  address(name: string, family: Family): string {
    if (name === "world") return worldAddresses[family];
    if (name.startsWith("node-")) return nodeAddress(name, family);
    for (const [address, known] of this.names.addresses)
      if (known === name && address.includes(":") === (family === 6)) return address;
    throw new Error(`nobody is called ${name} in IPv${family}`);
  }

  /** For rows: the address by family. */
  readonly to = (name: string) => (family: Family) => this.address(name, family);

  get place(): Place {
    const { lab, senders, names } = this;
    return { lab, senders, line: { names, namespace }, others: isOfTheLab };
  }

  readonly senders: Senders = {
    client: (name) => {
      if (name === "world") return this.cluster.inWorld();
      return name.startsWith("node-")
        ? this.cluster.onNode(name)
        : this.cluster.inPod(namespace, name);
    },
    run: (name, command) => {
      if (name === "world") return this.lab.worldExec(command);
      return name.startsWith("node-")
        ? this.lab.nodeExec(name, command)
        : this.lab.exec(namespace, name, command);
    },
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cluster[Symbol.asyncDispose]();
  }
}

/** What the lab itself sends: its DNS asks the API server, and is probed; nodes probe each other's health endpoints. */
export function isOfTheLab(flow: SeenFlow): boolean {
  const ends = [flow.source, flow.destination];
  if (ends.some((end) => end?.labels?.includes("reserved:health"))) return true;
  const tcp = flow.l4?.TCP;
  const ports = [tcp?.source_port, tcp?.destination_port];
  const ofDns = ends.some((end) => end?.namespace === "kube-system");
  return ofDns && tcp !== undefined && !ports.includes(53);
}
