// `tsilium bpf ... list`: the kernel's maps as they are. Reads the pins, so it works while the agent is away.
import type {
  ConntrackEntry,
  EndpointEntry,
  IpcacheEntry,
  MetricsEntry,
  NatEntry,
  PinnedMaps,
} from "@tsilium/datapath";
import type { Command } from "commander";
import { secondsUntil } from "../clock.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";
import { identityName } from "../reserved.ts";
import { frontendAddress } from "../services/kernel-frontends.ts";
import { socketAddress } from "../socket-address.ts";
import { registerLoadBalancerMaps } from "./bpf-lb.ts";
import { protocolName } from "./policy-entries.ts";
import { registerPolicyMaps } from "./policy-bpf.ts";

export function registerBpfCommands(program: Command): void {
  const bpf = program.command("bpf").description("the datapath's maps, read from the kernel");
  list(
    bpf,
    "ct",
    "tracked connections",
    (maps) => withFrontends(maps, maps.conntrack.list(), conntrackRow),
    conntrackColumns,
  );
  list(
    bpf,
    "nat",
    "masquerading: translations in both directions",
    (maps) => withFrontends(maps, maps.nat.list(), natRow),
    natColumns,
  );
  list(
    bpf,
    "ipmasq",
    "destinations that pods reach with their own address",
    (maps) => maps.masquerade.list().map((cidr) => ({ cidr: cidr.toString() })),
    [["CIDR", ({ cidr }) => cidr]],
  );
  list(
    bpf,
    "ipcache",
    "address -> identity",
    (maps) => maps.ipcache.list().map(ipcacheRow),
    ipcacheColumns,
  );
  list(
    bpf,
    "endpoint",
    "local pods as the datapath knows them",
    (maps) => maps.endpoints.list().map(endpointRow),
    endpointColumns,
  );
  list(
    bpf,
    "metrics",
    "packets forwarded and dropped, by reason",
    (maps) => maps.metrics.list().map(metricsRow),
    metricsColumns,
  );
  registerPolicyMaps(bpf);
  registerLoadBalancerMaps(bpf);
}

function list<Row>(
  bpf: Command,
  name: string,
  description: string,
  read: (maps: PinnedMaps) => Row[],
  columns: readonly Column<Row>[],
): void {
  const group = bpf.command(name).description(description);
  withOutput(group.command("list").description(description)).action(
    async (_options, command: Command) => {
      const { openMaps } = await import("@tsilium/datapath");
      const maps = openMaps({ bpffs: agentContext(command).bpffs });
      await printRows(command, read(maps), columns);
    },
  );
}

/** Rows with the service's address that answers carry, where they are of one. */
function withFrontends<Entry extends { readonly frontend: number }, Row>(
  maps: PinnedMaps,
  entries: readonly Entry[],
  rowOf: (entry: Entry, frontend: string | undefined) => Row,
): Row[] {
  const balanced = entries.some(({ frontend }) => frontend !== 0);
  const addresses = new Map(
    balanced ? maps.services.frontends().map((row) => [row.id, frontendAddress(row)]) : [],
  );
  return entries.map((entry) => {
    const { frontend } = entry;
    return rowOf(
      entry,
      frontend === 0 ? undefined : (addresses.get(frontend) ?? `frontend ${frontend}`),
    );
  });
}

type ConntrackRow = ReturnType<typeof conntrackRow>;
function conntrackRow(entry: ConntrackEntry, frontend: string | undefined) {
  return {
    protocol: protocolName(entry.protocol),
    source: socketAddress(entry.source, entry.sourcePort),
    destination: socketAddress(entry.destination, entry.destinationPort),
    frontend,
    proxy: proxyOf(entry),
    expiresInSeconds: secondsUntil(entry.expiresNs),
    state: entry.closing ? "closing" : entry.seenReply ? "established" : "new",
    sourceIdentity: entry.sourceIdentity,
    destinationIdentity: entry.destinationIdentity,
    epoch: entry.epoch,
  };
}
/** "listener 10005" that has it, "of egress-proxy": what a proxy itself opened; both; undefined: no proxy's business. */
function proxyOf({ part, proxyPort }: ConntrackEntry): string | undefined {
  const facts = [
    ...(part === "client" ? [] : [`of ${part}`]),
    ...(proxyPort === 0 ? [] : [`listener ${proxyPort}`]),
  ];
  return facts.length === 0 ? undefined : facts.join(", ");
}

const conntrackColumns: readonly Column<ConntrackRow>[] = [
  ["PROTOCOL", (row) => row.protocol],
  ["SOURCE", (row) => row.source],
  ["DESTINATION", (row) => row.destination],
  ["FRONTEND", (row) => row.frontend ?? "-"],
  ["PROXY", (row) => row.proxy ?? "-"],
  ["STATE", (row) => row.state],
  ["EXPIRES IN", (row) => `${row.expiresInSeconds} s`],
  [
    "IDENTITIES",
    (row) => `${identityName(row.sourceIdentity)} -> ${identityName(row.destinationIdentity)}`,
  ],
];

type NatRow = ReturnType<typeof natRow>;
function natRow(entry: NatEntry, frontend: string | undefined) {
  return {
    direction: entry.direction,
    protocol: protocolName(entry.protocol),
    source: socketAddress(entry.source, entry.sourcePort),
    destination: socketAddress(entry.destination, entry.destinationPort),
    translated: socketAddress(entry.translated, entry.translatedPort),
    frontend,
    expiresInSeconds: secondsUntil(entry.expiresNs),
    ofHost: entry.ofHost,
  };
}
const natColumns: readonly Column<NatRow>[] = [
  ["PROTOCOL", (row) => row.protocol],
  ["DIRECTION", (row) => row.direction],
  ["SOURCE", (row) => row.source],
  ["DESTINATION", (row) => row.destination],
  [
    "BECOMES",
    (row) => `${row.direction !== "reverse" ? "source" : "destination"} ${row.translated}`,
  ],
  ["FRONTEND", (row) => row.frontend ?? "-"],
  ["EXPIRES IN", (row) => `${row.expiresInSeconds} s`],
  ["OF", (row) => (row.ofHost ? "host" : "pod")],
];

type IpcacheRow = ReturnType<typeof ipcacheRow>;
function ipcacheRow(entry: IpcacheEntry) {
  return {
    prefix: entry.prefix.toString(),
    identity: entry.identity,
    tunnelEndpoint: entry.tunnelEndpoint?.toString(),
    cidrSet: entry.cidrSet,
  };
}
const ipcacheColumns: readonly Column<IpcacheRow>[] = [
  ["PREFIX", (row) => row.prefix],
  ["IDENTITY", (row) => identityName(row.identity)],
  ["TUNNEL ENDPOINT", (row) => row.tunnelEndpoint ?? "-"],
  ["CIDR SET", (row) => (row.cidrSet === 0 ? "-" : row.cidrSet)],
];

type EndpointRow = ReturnType<typeof endpointRow>;
function endpointRow(entry: EndpointEntry) {
  return {
    id: entry.id,
    ifindex: entry.ifindex,
    identity: entry.identity,
    ipv4: entry.ipv4?.toString(),
    ipv6: entry.ipv6?.toString(),
    mac: entry.mac.toString(),
    nodeMac: entry.nodeMac.toString(),
    subject: entry.subject,
  };
}
const endpointColumns: readonly Column<EndpointRow>[] = [
  ["ENDPOINT", (row) => row.id],
  ["IFINDEX", (row) => row.ifindex],
  ["IDENTITY", (row) => identityName(row.identity)],
  ["IPV4", (row) => row.ipv4],
  ["IPV6", (row) => row.ipv6],
  ["MAC", (row) => row.mac],
  ["NODE MAC", (row) => row.nodeMac],
  ["SUBJECT", (row) => (row.subject === 0 ? "-" : row.subject)],
];

type MetricsRow = ReturnType<typeof metricsRow>;
function metricsRow(entry: MetricsEntry) {
  return { ...entry, packets: Number(entry.packets), bytes: Number(entry.bytes) };
}
const metricsColumns: readonly Column<MetricsRow>[] = [
  ["REASON", (row) => row.reasonText],
  ["DIRECTION", (row) => row.direction],
  ["PACKETS", (row) => row.packets],
  ["BYTES", (row) => row.bytes],
];
