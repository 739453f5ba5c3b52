// The one vocabulary of both speeds: clusters with pods and a world, connections between them, and what became of them.
import type { L7Request } from "@tsilium/policy";
import type { RequestText } from "./l7/request.ts";
import type { End } from "./suggest.ts";
import type { Explanation, RuleView, Verdict } from "./explanation.ts";
import type { TestPort } from "./port.ts";

export type Family = 4 | 6;

/** Who can be at an end besides pods and addresses. */
export const entities = [
  "world",
  "host",
  "remote-node",
  "kube-apiserver",
  "health",
  "init",
  "ingress",
  "unmanaged",
] as const;
export type Entity = (typeof entities)[number];

export type Party =
  | { readonly kind: "pod"; readonly namespace: string; readonly name: string }
  /** An address outside the cluster. */
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "entity"; readonly name: Entity };

/** One attempt, of one family. */
export type Attempt = {
  readonly from: Party;
  readonly to: Party;
  readonly port: TestPort;
  readonly family: Family;
  /** On a connection that a proxy looks into; undefined: whether there is a connection. */
  readonly request?: L7Request;
};

export type Outcome = {
  readonly family: Family;
  readonly verdict: Verdict;
  readonly explanation: Explanation;
  /** What the packets did, in a lab: "answered", "no answer within 1000 ms", "refused", ... */
  readonly observed?: string;
};

/** What failure messages add to an explanation. */
export type Knowledge = {
  objectOf(rule: RuleView): unknown;
  fileOf(rule: RuleView): string | undefined;
  endOf(party: Party): End | undefined;
};

/** Where questions are answered. Both speeds pass the same suite (src/testing/suite.ts). */
export interface Cluster extends AsyncDisposable {
  /** Families that pods have. */
  readonly families: readonly Family[];
  readonly knowledge: Knowledge;
  /** "shop/frontend": a pod, or the pod of a workload of that name. @throws TestError unknown_party */
  pod(name: string): Peer;
  /** An address outside the cluster; the lab's own world host unless one is given. */
  world(address?: string): Peer;
  /** The node of the other end ("host"), another node ("remote-node"), ... @throws TestError unsupported */
  entity(name: Entity): Peer;
  /** Creates or replaces objects: files by glob, YAML text, or objects. In force when it resolves. */
  apply(...manifests: readonly Manifest[]): Promise<void>;
  /** Takes objects away; those that are not there are gone already. In force when it resolves. */
  delete(...manifests: readonly Manifest[]): Promise<void>;
  attempt(attempt: Attempt): Promise<Outcome>;
}

/** A glob of files, YAML text (it has a line break), or an object. */
export type Manifest = string | object;

/** Someone who connects or is connected to. */
export class Peer {
  readonly cluster: Cluster;
  readonly party: Party;

  constructor(cluster: Cluster, party: Party) {
    this.cluster = cluster;
    this.party = party;
  }

  /** A connection to look at: `expect(frontend.to(backend, 80)).toBeDeniedBy(...)`. */
  to(peer: Peer, port: number | string, options: ConnectionOptions = {}): Connection {
    return { from: this, to: peer, port, options };
  }

  toString(): string {
    return partyName(this.party);
  }
}

export type ConnectionOptions = RequestText & {
  /** Only this family; else every family that both ends have. */
  readonly family?: Family;
};

export type Connection = {
  readonly from: Peer;
  readonly to: Peer;
  readonly port: number | string;
  readonly options: ConnectionOptions;
};

/** "shop/frontend", "203.0.113.10", "host" */
export function partyName(party: Party): string {
  if (party.kind === "pod") return `${party.namespace}/${party.name}`;
  return party.kind === "address" ? party.address : party.name;
}
