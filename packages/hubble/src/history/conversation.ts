// What flows of two ends have in common: their endpoints, addresses, the server's port, where they were seen. A node has
// far fewer of these than flows, so a flow says the number of its conversation and the client's port.
import type { Flow, FlowEndpoint, FlowIp, FlowService } from "../model.ts";
import type { Dictionaries, StoredDictionaries } from "./dictionaries.ts";
import { corrupt } from "./errors.ts";

/** Fields of its tuple. */
const Field = {
  source: 0,
  destination: 1,
  /** Address + 1; 0: no Ethernet header. */
  ethernetSource: 2,
  ethernetDestination: 3,
  /** Bit 0: it is there, 1-2: version, 3: encrypted. */
  ip: 4,
  sourceIp: 5,
  destinationIp: 6,
  sourceXlated: 7,
  sourceService: 8,
  destinationService: 9,
  sourceNames: 10,
  destinationNames: 11,
  /** Index + 1; 0: none. */
  interfaceIndex: 12,
  interfaceName: 13,
  nodeName: 14,
  nodeLabels: 15,
  cgroupId: 16,
  /** Whose port `serverPort` is: 0 nobody's, 1 the destination's, 2 the source's. */
  server: 17,
  serverPort: 18,
} as const;

export const conversationWidth = 19;

export type Conversation = {
  readonly source: FlowEndpoint;
  readonly destination: FlowEndpoint;
  readonly ethernet: Flow["ethernet"];
  readonly ip: FlowIp | undefined;
  readonly sourceService: FlowService | undefined;
  readonly destinationService: FlowService | undefined;
  readonly sourceNames: readonly string[];
  readonly destinationNames: readonly string[];
  readonly interface: Flow["interface"];
  readonly nodeName: string;
  readonly nodeLabels: readonly string[];
  readonly cgroupId: bigint;
  readonly server: "destination" | "source";
  readonly serverPort: number;
};

/** Fills the tuple of a flow. */
export function fillConversation(to: Int32Array, flow: Flow, by: Dictionaries): void {
  const { ethernet, ip, l4, interface: device } = flow;
  const { strings, lists, services } = by;
  to[Field.source] = by.endpoint(flow.source);
  to[Field.destination] = by.endpoint(flow.destination);
  to[Field.ethernetSource] = ethernet === undefined ? 0 : strings.intern(ethernet.source) + 1;
  to[Field.ethernetDestination] = ethernet === undefined ? 0 : strings.intern(ethernet.destination);
  to[Field.ip] = ip === undefined ? 0 : 1 | (ip.version << 1) | (ip.encrypted ? 8 : 0);
  to[Field.sourceIp] = ip === undefined ? 0 : strings.intern(ip.source);
  to[Field.destinationIp] = ip === undefined ? 0 : strings.intern(ip.destination);
  to[Field.sourceXlated] = ip === undefined ? 0 : strings.intern(ip.sourceXlated);
  to[Field.sourceService] = services.intern(flow.sourceService);
  to[Field.destinationService] = services.intern(flow.destinationService);
  to[Field.sourceNames] = lists.intern(flow.sourceNames);
  to[Field.destinationNames] = lists.intern(flow.destinationNames);
  to[Field.interfaceIndex] = device === undefined ? 0 : device.index + 1;
  to[Field.interfaceName] = device === undefined ? 0 : strings.intern(device.name);
  to[Field.nodeName] = strings.intern(flow.nodeName);
  to[Field.nodeLabels] = lists.intern(flow.nodeLabels);
  to[Field.cgroupId] = flow.cgroupId === 0n ? 0 : strings.intern(flow.cgroupId.toString());
  to[Field.server] = 0;
  to[Field.serverPort] = 0;
  if (l4 === undefined || "type" in l4) return;
  const isDestination = l4.destinationPort <= l4.sourcePort;
  to[Field.server] = isDestination ? 1 : 2;
  to[Field.serverPort] = isDestination ? l4.destinationPort : l4.sourcePort;
}

/** The port that the conversation does not say: the higher one. 0: none. */
export function clientPort({ l4 }: Flow): number {
  if (l4 === undefined || "type" in l4) return 0;
  return Math.max(l4.sourcePort, l4.destinationPort);
}

/** @param at a field of the tuple. @throws HistoryError corrupt */
export function readConversation(
  at: (field: number) => number,
  by: StoredDictionaries,
): Conversation {
  const { strings, lists, services } = by;
  const text = (field: number) => strings.get(at(field));
  const list = (field: number) => lists.get(at(field)) ?? noTexts;
  return {
    source: by.endpoint(at(Field.source)),
    destination: by.endpoint(at(Field.destination)),
    ethernet: readEthernet(at, by),
    ip: readIp(at, by),
    sourceService: services.get(at(Field.sourceService)),
    destinationService: services.get(at(Field.destinationService)),
    sourceNames: list(Field.sourceNames),
    destinationNames: list(Field.destinationNames),
    interface:
      at(Field.interfaceIndex) === 0
        ? undefined
        : { index: at(Field.interfaceIndex) - 1, name: text(Field.interfaceName) },
    nodeName: text(Field.nodeName),
    nodeLabels: list(Field.nodeLabels),
    cgroupId: readBigInt(text(Field.cgroupId)),
    server: at(Field.server) === 2 ? "source" : "destination",
    serverPort: at(Field.serverPort),
  };
}

const noTexts: readonly string[] = [];

function readEthernet(at: (field: number) => number, { strings }: StoredDictionaries) {
  const source = at(Field.ethernetSource);
  if (source === 0) return undefined;
  const destination = strings.get(at(Field.ethernetDestination));
  return { source: strings.get(source - 1), destination };
}

function readIp(at: (field: number) => number, { strings }: StoredDictionaries) {
  const bits = at(Field.ip);
  if (bits === 0) return undefined;
  const version = (bits >> 1) & 3;
  if (version !== 1 && version !== 2) throw corrupt(`IP version ${version}`);
  return {
    source: strings.get(at(Field.sourceIp)),
    sourceXlated: strings.get(at(Field.sourceXlated)),
    destination: strings.get(at(Field.destinationIp)),
    version,
    encrypted: (bits & 8) !== 0,
  } as const;
}

/** "" is 0. @throws HistoryError corrupt */
export function readBigInt(text: string): bigint {
  if (text === "") return 0n;
  if (!/^-?\d{1,40}$/.test(text)) throw corrupt("a number that is none");
  return BigInt(text);
}
