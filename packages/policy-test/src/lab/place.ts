// Where in a lab somebody is: which pod, node or world a probe runs in, and by which address it is reached.
import type { Pod } from "@tsilium/kube";
import { TestError } from "../error.ts";
import { type Attempt, type Family, type Party, partyName } from "../model.ts";
import { apiServer, nodeAddress, worldHost } from "../network.ts";
import { anotherNode } from "../placement.ts";

export type Place =
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "world" };

/** An end of an attempt. */
export type Spot = {
  /** undefined: no probe can run there. */
  readonly place: Place | undefined;
  readonly address: string;
  /** Whose agent judges there. */
  readonly node: string | undefined;
};

export type Surroundings = {
  /** As they run, by "namespace/name". */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: readonly string[];
};

/** Both ends. @throws TestError unsupported, unknown_party */
export function spotsOf(
  { from, to, family }: Attempt,
  surroundings: Surroundings,
): { readonly from: Spot; readonly to: Spot } {
  const spot = (party: Party, other: Party) => spotOf({ party, other, family }, surroundings);
  return { from: spot(from, to), to: spot(to, from) };
}

type End = { readonly party: Party; readonly other: Party; readonly family: Family };

function spotOf({ party, other, family }: End, { pods, nodes }: Surroundings): Spot {
  if (party.kind === "pod") return podSpot(party, family, pods);
  if (party.kind === "address") return worldSpot(party.address);
  const host = other.kind === "pod" ? pods.get(partyName(other))?.spec.nodeName : undefined;
  const own = host ?? (nodes[0] as string);
  switch (party.name) {
    case "world":
      return worldSpot(worldHost[family]);
    case "host":
      return nodeSpot(own, family);
    case "remote-node":
      return nodeSpot(requiredNode(anotherNode(own, nodes)), family);
    case "kube-apiserver":
      return { place: undefined, address: apiServer[family], node: undefined };
    case "health":
    case "init":
    case "ingress":
    case "unmanaged":
      throw new TestError("unsupported", `in a lab nobody is ${party.name}`);
  }
}

function podSpot(
  party: Party & { readonly kind: "pod" },
  family: Family,
  pods: Surroundings["pods"],
): Spot {
  const { kind, namespace, name } = party;
  const pod = pods.get(partyName(party));
  const isOfFamily = ({ ip }: { readonly ip: string }) => ip.includes(":") === (family === 6);
  const address = pod?.status?.podIPs?.find(isOfFamily)?.ip;
  if (address === undefined)
    throw new TestError("unknown_party", `${partyName(party)} has no IPv${family} address`);
  return { place: { kind, namespace, name }, address, node: pod?.spec.nodeName };
}

function worldSpot(address: string): Spot {
  return { place: { kind: "world" }, address, node: undefined };
}

function nodeSpot(node: string, family: Family): Spot {
  return { place: { kind: "node", node }, address: nodeAddress(node, family), node };
}

function requiredNode(node: string | undefined): string {
  if (node !== undefined) return node;
  throw new TestError("unsupported", "a lab of one node has no remote node: `nodes: 2`");
}
