// Two backends and a client on each of two nodes, for services to be tried with; and what tests ask of them.
//
//   node-1: near, client-1      node-2: far, client-2      world
import assert from "node:assert/strict";
import type { KubeObject } from "@tsilium/kube";
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

/** The two ways of pods to services. */
export const paths = [
  { name: "at sockets", perPacket: false, set: {} },
  {
    name: "per packet, native routing",
    perPacket: true,
    set: { ...nativeRouting, "bpf-lb-sock-hostns-only": "true" },
  },
] as const;

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
