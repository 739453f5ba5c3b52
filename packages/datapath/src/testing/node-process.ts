// One node of a test: a process inside the node's network namespace that runs a Datapath and does what its parent says,
// one command per message. Killed without ceremony, as agents are.
import type { Address, Mac, Prefix } from "@tsilium/net";
import { Datapath } from "../datapath.ts";
import type { DatapathOptions } from "../datapath.ts";
import { openMaps } from "../open-maps.ts";
import { PolicyMaps } from "../policy/policy-maps.ts";
import { revive, toPlain } from "./plain.ts";
import type {
  CompiledSlot,
  EndpointEntry,
  IpcacheEntry,
  NodeEntry,
  RoutedNode,
  ServiceChanges,
  ServiceSurvey,
  SubjectSlots,
} from "../model.ts";

/** What a test may ask of a node, by name; arguments and answers travel as plain values (plain.ts). */
export type NodeCommands = {
  start(options: Omit<DatapathOptions, "log">): void;
  upsertEndpoint(entry: EndpointEntry): number;
  deleteEndpoint(id: number): boolean;
  upsertIpcache(entries: IpcacheEntry[]): void;
  upsertNode(entry: NodeEntry, routed: RoutedNode | undefined): void;
  deleteNode(address: Address, routed: RoutedNode): void;
  endpoints(): { id: number; ipv4: string }[];
  conntrack(): string[];
  nat(): string[];
  pinnedConntrack(bpffs: string): string[];
  metrics(): string[];
  status(): string[];
  epoch(): number;
  sweep(nowNs: bigint): Promise<{ deleted: number; alive: number }>;
  startEvents(): void;
  events(): string[];
  /** Writes slots, holds subjects to them, and moves the epoch. */
  holdPolicy(slots: CompiledSlot[], subjects: SubjectSlots[]): void;
  attachProxies(cgroups: { egress: string; ingress: string }): void;
  /** "client 6 10.244.0.11 -> 10.244.0.12 8080 by 10000": connections that a proxy has, and what proxies opened. */
  proxied(): string[];
  applyServices(changes: ServiceChanges): void;
  surveyServices(): ServiceSurvey;
  /** "tsi_lb_frontend 3 of 64" */
  serviceUsage(): string[];
  growServices(mapMax: number): boolean;
  useDevices(names: string[]): boolean;
  /** "socket-lb ok on: all sockets, in /sys/fs/cgroup" */
  serviceFeatures(): string[];
  log(): string[];
  remove(): void;
};

let running: Datapath | undefined;
let policyMaps: PolicyMaps | undefined;
const logged: string[] = [];
const collected: string[] = [];
const stop = new AbortController();

function datapath(): Datapath {
  if (running === undefined) throw new Error("this node was not started");
  return running;
}

const text = (address: Address | Mac | Prefix | undefined): string => String(address);

const commands: { [K in keyof NodeCommands]: (...args: Parameters<NodeCommands[K]>) => unknown } = {
  async start(options) {
    const log = { info: remember, warn: remember };
    running = await Datapath.start({ ...options, log });
    // Pods of these tests are under no policy.
    policyMaps?.[Symbol.dispose]();
    policyMaps = PolicyMaps.open(options);
    policyMaps.setSubjects([{ subject: 1, ingress: 1, egress: 1 }]);
  },
  upsertEndpoint(entry) {
    const startMs = performance.now();
    datapath().endpoints.upsert(entry);
    return performance.now() - startMs;
  },
  deleteEndpoint: (id) => datapath().endpoints.delete(id),
  upsertIpcache(entries) {
    if (policyMaps?.writeAddresses(entries)) policyMaps.bumpEpoch();
  },
  upsertNode(entry, routed) {
    datapath().nodes.upsert(entry);
    if (routed) datapath().routes.upsertNode(routed);
  },
  deleteNode(address, routed) {
    datapath().nodes.delete(address);
    datapath().routes.deleteNode(routed);
  },
  endpoints: () =>
    datapath()
      .endpoints.list()
      .map(({ id, ipv4 }) => ({ id, ipv4: text(ipv4) })),
  conntrack: () => datapath().conntrack.list().map(describeConnection),
  nat: () => datapath().nat.list().map(describeConnection),
  pinnedConntrack: (bpffs) => openMaps({ bpffs }).conntrack.list().map(describeConnection),
  metrics: () =>
    datapath()
      .metrics.list()
      .map(({ reasonText, direction, packets }) => `${reasonText} ${direction} ${packets}`),
  status: () =>
    datapath()
      .status()
      .map(({ name, ok, message }) => `${ok ? "ok" : "BAD"} ${name}: ${message}`),
  epoch: () => datapath().epoch,
  async sweep(nowNs) {
    const conntrack = await datapath().conntrack.sweep(nowNs);
    const nat = await datapath().nat.sweep(nowNs);
    return { deleted: conntrack.deleted + nat.deleted, alive: conntrack.alive + nat.alive };
  },
  startEvents: () => void collect(),
  holdPolicy(slots, subjects) {
    for (const slot of slots) policyMaps?.writeSlot(slot);
    policyMaps?.setSubjects(subjects);
    policyMaps?.bumpEpoch();
  },
  attachProxies(cgroups) {
    datapath().proxies.attach(cgroups);
    datapath().setProxies(true);
  },
  proxied: () =>
    datapath()
      .conntrack.list()
      .filter(({ proxyPort, part }) => proxyPort > 0 || part !== "client")
      .map(
        ({ part, protocol, source, destination, destinationPort, proxyPort }) =>
          `${part} ${protocol} ${source} -> ${destination} ${destinationPort} by ${proxyPort}`,
      ),
  events: () => collected,
  applyServices: (changes) => datapath().services.apply(changes),
  surveyServices: () => datapath().services.survey(),
  serviceUsage: () =>
    datapath()
      .services.usage()
      .map(({ map, entries, maxEntries }) => `${map} ${entries} of ${maxEntries}`),
  growServices: (mapMax) => datapath().growServices(mapMax),
  useDevices: (names) => datapath().useDevices(names),
  serviceFeatures: () =>
    datapath()
      .serviceFeatures()
      .map(
        ({ name, ok, enabled, message }) =>
          `${name} ${ok ? "ok" : "BAD"} ${enabled ? "on" : "off"}: ${message}`,
      ),
  log: () => logged,
  remove: () => datapath().remove(),
};

type Connection = {
  readonly protocol: number;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
};

function describeConnection(entry: Connection): string {
  const { protocol, source, sourcePort, destination, destinationPort } = entry;
  return `${protocol} ${source} ${sourcePort} -> ${destination} ${destinationPort}`;
}

async function collect(): Promise<void> {
  for await (const event of datapath().events(stop.signal))
    if (event.kind !== "translation")
      collected.push(`${event.kind} ${event.code} endpoint ${event.endpointId}`);
}

function remember(facts: object, message: string): void {
  logged.push(`${message} ${JSON.stringify(facts)}`);
}

process.on("message", (message: { id: number; command: keyof NodeCommands; args: unknown[] }) => {
  void answer(message);
});

async function answer({
  id,
  command,
  args,
}: {
  id: number;
  command: keyof NodeCommands;
  args: unknown[];
}) {
  try {
    const run = commands[command] as (...args: unknown[]) => unknown;
    process.send?.({ id, result: toPlain(await run(...args.map(revive))) });
  } catch (error) {
    process.send?.({
      id,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      logged,
    });
  }
}
