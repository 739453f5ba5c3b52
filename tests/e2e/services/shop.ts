// Two backends and a client on each of two nodes, for services to be tried with; and what tests ask of them.
//
//   node-1: near, client-1      node-2: far, client-2      world
import assert from "node:assert/strict";
import type { KubeObject } from "@tsilium/kube";
import { soak } from "../harness.ts";
import { type Client, type Outcome, type Request, spread, wordOf } from "./requests.ts";
import { echoPod, loadBalancerPool } from "./service-objects.ts";
import { families, type Family, nativeRouting } from "./service-lab.ts";

export const namespace = "shop";

/** Both backends have it. */
export const web = { app: "web" } as const;

export function shopObjects(): KubeObject[] {
  const pod = (name: string, node: string, labels: Record<string, string>) =>
    echoPod({ name, namespace, node, labels });
  return [
    loadBalancerPool("shop", { cidr: "198.51.100.0/24" }, { cidr: "2001:db8:51::/112" }),
    pod("near", "node-1", { ...web, pod: "near" }),
    pod("far", "node-2", { ...web, pod: "far" }),
    pod("client-1", "node-1", { app: "client", pod: "client-1" }),
    pod("client-2", "node-2", { app: "client", pod: "client-2" }),
  ];
}

/** How pods and clients from outside come to services. */
export type Path = {
  readonly name: string;
  readonly set: Readonly<Record<string, string>>;
  /** Of pods. */
  readonly perPacket: boolean;
  readonly tunnelled: boolean;
  /** Backends of other nodes answer clients from outside themselves. */
  readonly direct: boolean;
};

const perPacket = { "bpf-lb-sock-hostns-only": "true" } as const;
const dsr = { "bpf-lb-mode": "dsr" } as const;
const xdp = { "bpf-lb-acceleration": "native" } as const;

export const paths: readonly Path[] = [
  { name: "at sockets, VXLAN", set: {}, perPacket: false, tunnelled: true, direct: false },
  {
    name: "per packet, native routing",
    set: { ...nativeRouting, ...perPacket },
    perPacket: true,
    tunnelled: false,
    direct: false,
  },
];

const morePaths: readonly Path[] = [
  {
    name: "per packet, VXLAN with XDP",
    set: { ...perPacket, ...xdp },
    perPacket: true,
    tunnelled: true,
    direct: false,
  },
  {
    name: "per packet, VXLAN with DSR",
    set: { ...perPacket, ...dsr },
    perPacket: true,
    tunnelled: true,
    direct: true,
  },
  {
    name: "at sockets, native routing with DSR in XDP",
    set: { ...nativeRouting, ...dsr, ...xdp },
    perPacket: false,
    tunnelled: false,
    direct: true,
  },
];

/** Those of a test run, and more for `soak`. */
export const allPaths: readonly Path[] = soak ? [...paths, ...morePaths] : paths;

export const protocols = ["tcp", "udp", "udp-connected"] as const;

/** A request by every protocol and in both families. */
export function everyWay(address: (family: Family) => string, port: number): Request[] {
  return families.flatMap((family) =>
    protocols.map((protocol) => ({ protocol, address: address(family), port })),
  );
}

/** Fails unless each request comes to that: a pod's name, or a kind of error. */
export async function assertComesTo(
  client: Client,
  requests: readonly Request[],
  wanted: string,
): Promise<Outcome[]> {
  const outcomes = await client.ask(requests);
  const found = outcomes.map((outcome, at) => `${textOf(requests[at])}: ${wordOf(outcome)}`);
  assert.deepEqual(
    found,
    requests.map((request) => `${textOf(request)}: ${wanted}`),
    `from ${client.name}`,
  );
  return outcomes;
}

/** Fails unless they are refused, and so quickly that nobody waited for an answer that does not come. */
export async function assertRefusedAtOnce(
  client: Client,
  requests: readonly Request[],
): Promise<void> {
  const outcomes = await assertComesTo(client, requests, "refused");
  const slow = outcomes.filter(({ micros }) => micros > 900_000);
  assert.deepEqual(slow, [], `from ${client.name}`);
}

/**
 * Fails unless every one of `names`, and nobody else, has answered. That one of two is never chosen happens once in 2^23, one of
 * six by a hundred tries once in 10^7.
 */
export async function assertAnswering(
  client: Client,
  request: Request,
  names: readonly string[],
): Promise<void> {
  const counts = spread(await client.repeat(request, names.length > 2 ? 100 : 24));
  assert.deepEqual(Object.keys(counts), names.toSorted(), `${client.name}, ${textOf(request)}`);
}

/** Fails unless each request is answered, and by just these together. */
export async function assertShared(
  client: Client,
  requests: readonly Request[],
  names: readonly string[],
): Promise<void> {
  const outcomes = await client.ask(requests);
  const failed = outcomes.flatMap((outcome, at) =>
    outcome.kind === "ok" ? [] : [`${textOf(requests[at])}: ${wordOf(outcome)} ${outcome.detail}`],
  );
  assert.deepEqual(failed, [], `from ${client.name}`);
  assert.deepEqual(Object.keys(spread(outcomes)), names.toSorted(), `from ${client.name}`);
}

export function textOf(request: Request | undefined): string {
  return request ? `${request.protocol} ${request.address} ${request.port}` : "?";
}
