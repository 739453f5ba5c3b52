// The matrix of services: who asks, by which address, and what must come of it. Pods' and nodes' backends see the client
// as if it had asked them directly, whatever the address; clients from outside are seen where that is promised.
import type { ServiceFacts } from "./service-objects.ts";
import {
  type Backend,
  backendNodes,
  externalIp,
  hostNetworkPort,
  hostPort,
  portOf,
  services,
} from "./matrix-objects.ts";
import { echoPort } from "./service-objects.ts";
import type { Outcome, Request } from "./requests.ts";
import {
  clusterIp,
  endText,
  families,
  type Family,
  loadBalancerIp,
  nodeAddress,
  nodePort,
  worldAddresses,
} from "./service-lab.ts";

export type Mode = {
  readonly set: Readonly<Record<string, string>>;
  readonly tunnel: boolean;
  /** Whether sockets of the node's own network are balanced at connect(). */
  readonly hostSockets: boolean;
  /** Protocols whose answers go from the backend's node to the client. */
  readonly direct: readonly ("tcp" | "udp")[];
};

/** pod: on node-1. node: node-1 itself. */
export type ClientKind = "pod" | "node" | "world";

export type Row = {
  readonly client: ClientKind;
  /** For people. */
  readonly what: string;
  readonly request: Request;
  readonly backends: readonly Backend[];
  /** Of the client, by the backend. */
  readonly seen: (backend: Backend) => readonly string[];
};

/** How many times a service with two backends is asked by each address: that one is never chosen happens once in 2^23. */
const triesOfTwo = 24;

type Door = {
  readonly name: string;
  readonly port: number;
  /** Of that family. */
  readonly address: (family: Family) => string;
  /** The node that meets packets from outside; undefined: it never leaves the client's. */
  readonly enters: (family: Family) => string;
  /** Whom it leads to. */
  readonly backends: readonly Backend[];
};

export type Facts = {
  readonly services: Readonly<Record<string, ServiceFacts>>;
  /** Which node the world's route to an address goes through. */
  readonly routes: ReadonlyMap<string, string>;
  /** What a backend sees of a pod's or node's client that asks it itself: "pod near 4" -> address. */
  readonly seenDirectly: ReadonlyMap<string, string>;
  /** Addresses that a node has in place of a client's: its own, and its router's. */
  readonly standIns: ReadonlyMap<string, readonly string[]>;
};

/** All rows of a mode. */
export function matrixRows(mode: Mode, facts: Facts): Row[] {
  const clients: readonly ClientKind[] = ["pod", "node", "world"];
  return clients.flatMap((client) =>
    doors(facts).flatMap((door) =>
      isOpen(door, client, mode)
        ? families.flatMap((family) => rowsOf({ client, door, family, mode, facts }))
        : [],
    ),
  );
}

function doors(facts: Facts): Door[] {
  const route = (address: string) => facts.routes.get(address) ?? "nowhere";
  const nodes = ["node-1", "node-2"];
  const ofServices = Object.entries(services).flatMap(([name, backends]): Door[] => {
    const service = facts.services[name];
    const common = { port: portOf(name), backends };
    const loadBalancer = (family: Family) => loadBalancerIp(service, family);
    const external = (family: Family) => externalIp(name, family);
    return [
      {
        ...common,
        name: `cluster IP of ${name}`,
        address: (family) => clusterIp(service, family),
        enters: () => "nowhere",
      },
      ...[...nodes, "localhost"].map((node) => ({
        name: `node port of ${name} at ${node}`,
        port: nodePort(service),
        address: (family: Family) => addressOf(node, family),
        enters: () => node,
        backends,
      })),
      {
        ...common,
        name: `load balancer of ${name}`,
        address: loadBalancer,
        enters: (family) => route(loadBalancer(family)),
      },
      {
        ...common,
        name: `external IP of ${name}`,
        address: external,
        enters: (family) => route(external(family)),
      },
    ];
  });
  const hostPorts = (["near", "far"] as const).map((backend) => ({
    name: `host port of ${backend}`,
    port: hostPort,
    address: (family: Family) => nodeAddress(backendNodes[backend], family),
    enters: () => backendNodes[backend],
    backends: [backend],
  }));
  return [...ofServices, ...hostPorts];
}

function addressOf(node: string, family: Family): string {
  return node === "localhost" ? (family === 4 ? "127.0.0.1" : "::1") : nodeAddress(node, family);
}

/** Whether it is an address that this client may use at all. */
function isOpen({ name, enters }: Door, client: ClientKind, { hostSockets }: Mode): boolean {
  if (name.includes("localhost")) return client === "node" && hostSockets;
  if (client === "world") return enters(4) !== "nowhere";
  // What leaves the node's own sockets unbalanced is another node's to serve, and nobody's but for a node.
  if (client === "node" && !hostSockets) return enters(4) === "node-2" && /port of/.test(name);
  return true;
}

type RowOptions = {
  readonly client: ClientKind;
  readonly door: Door;
  readonly family: Family;
  readonly mode: Mode;
  readonly facts: Facts;
};

function rowsOf(options: RowOptions): Row[] {
  const { client, door, family } = options;
  const address = door.address(family);
  return (["tcp", "udp", "udp-connected"] as const).flatMap((protocol) => {
    const times = door.backends.length > 1 ? triesOfTwo : 1;
    const row: Row = {
      client,
      what: `${client}, ${protocol} to ${door.name}, ${endText(address, door.port)}`,
      request: { protocol, address, port: door.port },
      backends: door.backends,
      seen: (backend) => seen(options, protocol, backend),
    };
    return Array.from({ length: times }, () => row);
  });
}

function seen(
  { client, door, family, mode, facts }: RowOptions,
  protocol: Request["protocol"],
  backend: Backend,
): readonly string[] {
  const enters = door.enters(family);
  const direct = (as: Backend) => [facts.seenDirectly.get(`${client} ${as} ${family}`) ?? "?"];
  // A host port at another node is that node's to know: it is asked as any process there.
  if (client !== "world" && door.name.startsWith("host port") && enters !== "node-1")
    return direct("host-far");
  if (client === "pod" || (client === "node" && mode.hostSockets)) return direct(backend);
  const self = [client === "world" ? worldAddresses[family] : nodeAddress("node-1", family)];
  if (backendNodes[backend] === enters) return self;
  return answersDirectly(mode, protocol, backend) ? self : (facts.standIns.get(enters) ?? []);
}

/** Whether a backend of another node than packets came to answers the client by itself. */
function answersDirectly(mode: Mode, protocol: Request["protocol"], backend: Backend): boolean {
  // Only a pod's packets pass programs that answer for the service.
  const isPod = backend === "near" || backend === "far";
  return isPod && mode.direct.includes(protocol === "tcp" ? "tcp" : "udp");
}

/** Requests that find out what backends see of clients that ask them directly. */
export function directRows(addresses: (backend: Backend, family: Family) => string) {
  return (["pod", "node"] as const).flatMap((client) =>
    (Object.keys(backendNodes) as Backend[]).flatMap((backend) =>
      families.map((family) => ({
        key: `${client} ${backend} ${family}`,
        client,
        request: {
          protocol: "tcp",
          address: addresses(backend, family),
          port: backend.startsWith("host-") ? hostNetworkPort : echoPort,
        } satisfies Request,
      })),
    ),
  );
}

/** What is wrong with an outcome; undefined: nothing. */
export function wrongWith(row: Row, outcome: Outcome): string | undefined {
  if (outcome.kind !== "ok") return `${row.what}: ${outcome.kind} ${outcome.detail}`;
  const { address, port } = row.request;
  const { pod, client } = outcome.answer;
  const backend = row.backends.find((each) => each === pod);
  if (!backend) return `${row.what}: ${pod} answered`;
  if (outcome.peer !== endText(address, port))
    return `${row.what}: ${pod} answered as ${outcome.peer}`;
  const wanted = row.seen(backend);
  return wanted.includes(client)
    ? undefined
    : `${row.what}: ${pod} saw ${client}, not ${wanted.join(" or ")}`;
}
