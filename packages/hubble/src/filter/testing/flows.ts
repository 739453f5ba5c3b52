// Flows for tests: written by hand from a few words, or drawn at random from a small world, so that filters of the same
// world match some of them.
import type { Random } from "@tsilium/testkit";
import {
  emptyFlow,
  type Flow,
  type FlowEndpoint,
  type FlowIp,
  type HttpHeader,
  type Layer4,
  type Layer7,
  type TcpFlags,
  unknownEndpoint,
  type Workload,
} from "../../model.ts";

/** A flow with these fields and all others absent. */
export function flowWith(fields: Partial<Flow>): Flow {
  return { ...emptyFlow, ...fields };
}

export function endpointWith(fields: Partial<FlowEndpoint>): FlowEndpoint {
  return { ...unknownEndpoint, ...fields };
}

export function ipWith(fields: Partial<FlowIp>): FlowIp {
  return { source: "", sourceXlated: "", destination: "", version: 1, encrypted: false, ...fields };
}

const noFlags: TcpFlags = {
  fin: false,
  syn: false,
  rst: false,
  psh: false,
  ack: false,
  urg: false,
  ece: false,
  cwr: false,
  ns: false,
};

export function tcp(
  sourcePort: number,
  destinationPort: number,
  ...set: (keyof TcpFlags)[]
): Layer4 {
  const flags = { ...noFlags, ...Object.fromEntries(set.map((name) => [name, true])) };
  return { kind: "tcp", sourcePort, destinationPort, flags };
}

type Http = Extract<Layer7, { readonly kind: "http" }>;
type Dns = Extract<Layer7, { readonly kind: "dns" }>;

export function http(fields: Partial<Http>): Http {
  const base = { code: 0, method: "", url: "", protocol: "", headers: [] as HttpHeader[] };
  return { kind: "http", type: 1, latencyNs: 0, ...base, ...fields };
}

export function dns(query: string): Dns {
  const lists = { ips: [], cnames: [], qtypes: ["A"], rrtypes: [] };
  return {
    kind: "dns",
    type: 1,
    latencyNs: 0,
    query,
    ttl: 0,
    observationSource: "",
    rcode: 0,
    ...lists,
  };
}

export const world = {
  addresses: ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.0.1", "fd00::1", "fd00:1::2", ""],
  namespaces: ["", "default", "kube-system", "prod"],
  names: ["", "web", "web-1", "xwing", "coredns-abc"],
  clusters: ["", "default", "east"],
  labels: [
    "k8s:app=web",
    "k8s:app=api",
    "k8s:tier=1",
    "reserved:host",
    "cidr:10.1.0.0/16",
    "any:x",
  ],
  kinds: ["Deployment", "DaemonSet"],
  dnsNames: ["cilium.io", "www.cilium.io", "ebpf.io", "a_b.cilium.io"],
  nodes: ["", "node-1", "node-2", "east/node-1", "east/k8s-1.example"],
  ports: [0, 53, 80, 443, 65_535],
  urls: ["", "/", "/api/v1?x=1", "http://host/a%20b", "not a url", "*"],
  methods: ["GET", "post", ""],
  uuids: ["", "a", "b"],
} as const;

/** Up to `most` of the choices, in their order. */
export function some<T>(random: Random, choices: readonly T[], most: number): T[] {
  const count = random.below(most + 1);
  return choices.filter(() => random.chance(count / choices.length)).slice(0, most);
}

export function randomEndpoint(random: Random): FlowEndpoint {
  if (random.chance(0.1)) return unknownEndpoint;
  const workloads: Workload[] = some(random, ["web", "api"], 2).map((name) => ({
    name,
    kind: random.pick(world.kinds),
  }));
  return endpointWith({
    id: random.below(3),
    identity: random.below(5),
    clusterName: random.pick(world.clusters),
    namespace: random.pick(world.namespaces),
    labels: some(random, world.labels, 4),
    podName: random.pick(world.names),
    workloads,
  });
}

function randomLayer4(random: Random): Layer4 | undefined {
  const [sourcePort, destinationPort] = [random.pick(world.ports), random.pick(world.ports)];
  switch (random.below(6)) {
    case 0:
      return undefined;
    case 1:
      return { kind: random.pick(["udp", "sctp"] as const), sourcePort, destinationPort };
    case 2:
      return { kind: random.pick(["icmp4", "icmp6"] as const), type: 8, code: random.below(2) };
    case 3:
      return { kind: "tcp", sourcePort, destinationPort, flags: undefined };
    default:
      return tcp(
        sourcePort,
        destinationPort,
        ...some(random, ["syn", "ack", "fin", "rst"] as const, 3),
      );
  }
}

function randomLayer7(random: Random): Layer7 | undefined {
  switch (random.below(5)) {
    case 0:
      return dns(random.pick(world.dnsNames));
    case 1:
    case 2:
      return http({
        code: random.pick([0, 200, 204, 404, 503, 7]),
        method: random.pick(world.methods),
        url: random.pick(world.urls),
        headers: some(
          random,
          [
            { key: "a", value: "1" },
            { key: "b", value: "2" },
          ],
          2,
        ),
      });
    case 3: {
      const kafka = { errorCode: 0, apiVersion: 1, apiKey: "fetch", correlationId: 7, topic: "t" };
      return { kind: "kafka", type: 1, latencyNs: 5, ...kafka };
    }
    default:
      return undefined;
  }
}

/** `endpoints`: whom it is between; new ones by default. */
export function randomFlow(random: Random, endpoints?: readonly FlowEndpoint[]): Flow {
  const endpoint = () => (endpoints ? random.pick(endpoints) : randomEndpoint(random));
  const type = random.pick([1, 4, 4, 5, 8, 129]);
  const dropReason = type === 1 ? random.pick([133, 181, 140]) : 0;
  const ip = random.chance(0.8)
    ? ipWith({
        source: random.pick(world.addresses),
        sourceXlated: random.pick(world.addresses),
        destination: random.pick(world.addresses),
        version: random.pick([1, 2] as const),
        encrypted: random.chance(0.5),
      })
    : undefined;
  const service = () =>
    random.chance(0.5)
      ? { name: random.pick(world.names), namespace: random.pick(world.namespaces) }
      : undefined;
  return flowWith({
    timeNs: BigInt(random.below(1_000)) * 1_000_000n,
    uuid: random.pick(world.uuids),
    verdict: type === 1 ? random.pick([2, 2, 3]) : random.below(8),
    dropReason,
    ip,
    l4: randomLayer4(random),
    l7: type === 129 ? randomLayer7(random) : undefined,
    source: endpoint(),
    destination: endpoint(),
    type: type === 129 ? 2 : 1,
    nodeName: random.pick(world.nodes),
    nodeLabels: some(random, ["zone=a", "zone=b", "kubernetes.io/arch=amd64"], 2),
    sourceNames: some(random, world.dnsNames, 2),
    destinationNames: some(random, world.dnsNames, 2),
    isReply: random.pick([true, false, undefined]),
    eventType: { type, subType: type === 1 ? dropReason : random.below(4) },
    sourceService: service(),
    destinationService: service(),
    direction: random.below(3),
    policyMatchType: random.below(3),
    interface: random.chance(0.5)
      ? { index: random.below(3), name: random.pick(["", "eth0"]) }
      : undefined,
  });
}
