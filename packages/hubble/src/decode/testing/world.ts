// A node with two pods, a pod elsewhere, nodes, services and policies, as its flows are told with; and records as programs
// write them.
//
//   shop/web-1  10.244.0.5   fd00:10:244::5    endpoint 7    identity 4711    here
//   shop/db-0   10.244.0.6                     endpoint 8    identity 4712    here
//   shop/cart   10.244.1.9   fd00:10:244:1::9                identity 4713    node-2
//   node-1      172.18.0.2   fc00:18::2        host          node-2  172.18.0.3
import { decode, encode } from "@tsilium/ebpf";
import {
  eventCodec,
  eventDirection,
  eventHeaderCodec,
  eventKind,
  socketEventCodec,
} from "@tsilium/datapath";
import { Address } from "@tsilium/net";
import { Enricher, type EnrichItem } from "../../enrich/index.ts";
import { emptyFlow, type Flow } from "../../model.ts";
import { BootClock, FlowDecoder } from "../index.ts";

export const web = { id: 7, identity: 4711, ipv4: "10.244.0.5", ipv6: "fd00:10:244::5" } as const;
export const db = { id: 8, identity: 4712, ipv4: "10.244.0.6" } as const;
export const cart = { identity: 4713, ipv4: "10.244.1.9", ipv6: "fd00:10:244:1::9" } as const;
export const node1 = "172.18.0.2";
export const clusterIp = "10.96.0.10";
export const loadBalancer = "192.0.2.80";
export const worldClient = "203.0.113.10";
export const hostNetns = 100n;
export const webNetns = 107n;

const labelsOf = (app: string) => [
  `k8s:app=${app}`,
  "k8s:io.kubernetes.pod.namespace=shop",
  "k8s:io.cilium.k8s.policy.cluster=default",
];

const policy = (name: string) => ({ kind: "CiliumNetworkPolicy", namespace: "shop", name });

export const world: readonly EnrichItem[] = [
  {
    kind: "self",
    nodeName: "node-1",
    clusterName: "default",
    nodeLabels: ["kubernetes.io/hostname=node-1"],
    netnsCookie: hostNetns,
    dualStack: true,
  },
  { kind: "interface", index: 3, name: "eth0" },
  { kind: "node", name: "node-1", local: true, ipv4: node1, ipv6: "fc00:18::2" },
  { kind: "node", name: "node-2", local: false, ipv4: "172.18.0.3", ipv6: undefined },
  { kind: "identity", id: 4711, labels: labelsOf("web") },
  { kind: "identity", id: 4712, labels: labelsOf("db") },
  { kind: "identity", id: 4713, labels: labelsOf("cart") },
  {
    kind: "identity",
    id: 16_777_217,
    labels: ["cidr:203.0.0.0/8", "reserved:world", "cidr:203.0.113.0/24"],
  },
  { kind: "address", prefix: `${node1}/32`, identity: 1, namespace: "", podName: "" },
  { kind: "address", prefix: "172.18.0.3/32", identity: 6, namespace: "", podName: "" },
  { kind: "address", prefix: "198.51.100.0/24", identity: 16_777_217, namespace: "", podName: "" },
  ...[cart.ipv4, cart.ipv6].map((address): EnrichItem => ({
    kind: "address",
    prefix: `${address}/${address.includes(":") ? 128 : 32}`,
    identity: cart.identity,
    namespace: "shop",
    podName: "cart",
  })),
  {
    kind: "frontend",
    id: 50,
    namespace: "shop",
    name: "db",
    address: clusterIp,
    port: 5432,
    protocol: 6,
  },
  {
    kind: "frontend",
    id: 51,
    namespace: "shop",
    name: "web",
    address: "0.0.0.0",
    port: 30_080,
    protocol: 6,
  },
  {
    kind: "frontend",
    id: 52,
    namespace: "shop",
    name: "web",
    address: loadBalancer,
    port: 80,
    protocol: 6,
  },
  {
    kind: "endpoint",
    ...web,
    labels: labelsOf("web"),
    namespace: "shop",
    podName: "web-1",
    workloads: [{ name: "web", kind: "Deployment" }],
    ifindex: 12,
    interfaceName: "lxcweb",
    netnsCookie: webNetns,
  },
  {
    kind: "endpoint",
    ...db,
    ipv6: undefined,
    labels: labelsOf("db"),
    namespace: "shop",
    podName: "db-0",
    workloads: [{ name: "db", kind: "StatefulSet" }],
    ifindex: 13,
    interfaceName: "lxcdb",
    netnsCookie: 108n,
  },
  { kind: "policy", ref: policy("db"), revision: 9, gone: false },
  {
    kind: "rule",
    number: 1,
    name: {
      kind: "rule",
      ref: policy("db"),
      path: "spec.ingress[0]",
      matches: { peers: true, ports: "port" },
      log: "seen",
    },
  },
  {
    kind: "rule",
    number: 2,
    name: {
      kind: "default-deny",
      by: [
        { ref: policy("db"), path: "spec" },
        { ref: { kind: "NetworkPolicy", namespace: "shop", name: "isolate" }, path: "spec" },
      ],
    },
  },
  { kind: "rule", number: 3, name: { kind: "builtin", reason: "allow-localhost" } },
  { kind: "synced" },
];

/** 2026-11-26 10:00:00 UTC, when the node has run for a thousand seconds. */
export const unixNs = 1_795_687_200_000_000_000n;
export const bootNs = 1_000_000_000_000n;

export type Scene = {
  readonly enricher: Enricher;
  readonly decoder: FlowDecoder;
  /** Flows of a record. */
  readonly flows: (record: Uint8Array) => Flow[];
};

/** @param options of the decoder */
export function scene(
  options: {
    readonly askRules?: (numbers: readonly number[]) => void;
    readonly nowMs?: () => number;
  } = {},
): Scene {
  const enricher = new Enricher();
  for (const item of world) enricher.apply(item);
  const clock = new BootClock({ boottimeNs: () => bootNs, unixNs: () => unixNs });
  const decoder = new FlowDecoder({ enricher, clock, ...options });
  return {
    enricher,
    decoder,
    flows: (record) => {
      const out: Flow[] = [];
      decoder.decode(memoryOf(record), 0, record.length, out);
      return out;
    },
  };
}

export function memoryOf(bytes: Uint8Array) {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

const emptyHeader = decode(eventHeaderCodec, new Uint8Array(eventHeaderCodec.size));
type Header = Partial<typeof emptyHeader>;

/** The record of a packet's event, half a second ago. */
export function packetRecord(header: Header, packet: Uint8Array): Uint8Array {
  const capturedLength = Math.min(packet.length, 128);
  const bytes = new Uint8Array(128);
  bytes.set(packet.subarray(0, capturedLength));
  return encode(eventCodec, {
    header: {
      ...emptyHeader,
      timestampNs: bootNs - 500_000_000n,
      packetLength: packet.length,
      capturedLength,
      direction: eventDirection.egress,
      ...header,
    },
    packet: bytes,
  });
}

/** The record of a socket's event. */
export function socketRecord(
  header: Header,
  event: {
    readonly asked: readonly [address: string, port: number];
    readonly backend?: readonly [address: string, port: number];
    readonly protocol: number;
    readonly netnsCookie: bigint;
  },
): Uint8Array {
  const { asked, backend, protocol, netnsCookie } = event;
  return encode(socketEventCodec, {
    header: {
      ...emptyHeader,
      timestampNs: bootNs - 500_000_000n,
      kind: eventKind.translation,
      direction: eventDirection.egress,
      ...header,
    },
    frontendAddress: mapped(asked[0]),
    frontendPort: asked[1],
    backendAddress: backend ? mapped(backend[0]) : new Uint8Array(16),
    backendPort: backend?.[1] ?? 0,
    socketCookie: 77n,
    cgroupId: 88n,
    netnsCookie,
    protocol,
  });
}

function mapped(text: string): Uint8Array {
  const { bytes } = Address.parse(text);
  if (bytes.length === 16) return bytes;
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
}

/** What a flow says beyond what all flows of the scene do; endpoints and policies in words. */
export function told(flow: Flow): Record<string, unknown> {
  const common = { timeNs: unixNs - 500_000_000n, nodeName: "node-1", nodeLabels: flow.nodeLabels };
  const entries = Object.entries(flow).filter(([field, value]) => {
    const usual = { ...emptyFlow, ...common }[field as keyof Flow];
    return value !== usual && !(Array.isArray(value) && value.length === 0);
  });
  return Object.fromEntries(entries.map(([field, value]) => [field, inWords(field, value)]));
}

function inWords(field: string, value: unknown): unknown {
  switch (field) {
    case "source":
    case "destination":
      return endpointText(value as Flow["source"]);
    case "ethernet":
      return Object.values(value as object).join(" > ");
    case "ip": {
      const { source, sourceXlated, destination, version } = value as NonNullable<Flow["ip"]>;
      const translated = sourceXlated === "" ? "" : ` as ${sourceXlated}`;
      return `v${version} ${source}${translated} > ${destination}`;
    }
    case "l4":
      return l4Text(value as NonNullable<Flow["l4"]>);
    case "eventType":
      return Object.values(value as object).join(":");
    case "interface": {
      const { index, name } = value as NonNullable<Flow["interface"]>;
      return `${index} ${name}`;
    }
    case "sourceService":
    case "destinationService": {
      const { namespace, name } = value as NonNullable<Flow["sourceService"]>;
      return `${namespace}/${name}`;
    }
    default:
      return field.endsWith("By") ? (value as Flow["egressDeniedBy"]).map(policyText) : value;
  }
}

function endpointText(endpoint: Flow["source"]): string {
  const { id, identity, namespace, podName, workloads, clusterName, labels } = endpoint;
  const pod = podName === "" ? labels.join(",") : `${namespace}/${podName}`;
  const workload = workloads.map(({ kind, name }) => ` of ${kind} ${name}`).join("");
  const cluster = clusterName === "" ? "" : ` in ${clusterName}`;
  return `${pod} (${id}, ${identity})${workload}${cluster}`;
}

function l4Text(l4: NonNullable<Flow["l4"]>): string {
  if ("type" in l4) return `${l4.kind} ${l4.type}/${l4.code}`;
  return `${l4.kind} ${l4.sourcePort} > ${l4.destinationPort}`;
}

function policyText({ kind, namespace, name, revision, labels }: Flow["egressDeniedBy"][number]) {
  return `${kind} ${namespace}/${name} r${revision} ${labels.at(-1)}`;
}
