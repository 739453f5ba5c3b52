// How policy sees an end of an attempt in a compiled cluster: its identity, its labels, its address.
import { ReservedIdentity } from "@tsilium/identity";
import { objectKey, type Pod } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import type { EndPoint } from "@tsilium/policy";
import type { Engine } from "../engine/engine.ts";
import { TestError } from "../error.ts";
import { type Family, type Party, partyName } from "../model.ts";
import { apiServer, nodeAddress, worldHost } from "../network.ts";
import { anotherNode } from "../placement.ts";
import type { People } from "./people.ts";

export type Scene = {
  readonly engine: Engine;
  readonly people: People;
  /** As applied, by "namespace/name". */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly nodes: readonly string[];
  nodeOf(pod: Pod): string;
};

/** An end and who is at the other: "host" is the other's own node. */
export type Ends = { readonly party: Party; readonly other: Party; readonly family: Family };

/** @throws TestError unknown_party */
export function endPointOf({ party, other, family }: Ends, scene: Scene): EndPoint {
  switch (party.kind) {
    case "pod":
      return podEnd({ party, other, family }, scene);
    case "address":
      return addressEnd(party.address, scene);
    case "entity":
      return entityEnd({ party, other, family }, scene);
  }
}

function podEnd(ends: Ends & { readonly party: { readonly kind: "pod" } }, scene: Scene): EndPoint {
  const name = partyName(ends.party);
  const pod = scene.pods.get(name);
  if (!pod) throw new TestError("unknown_party", `there is no pod ${name}`);
  const person = scene.people.pods.get(objectKey(pod));
  // A pod in its node's network has the node's identity, and no policy of its own.
  if (!person) return nodeEnd(scene.nodeOf(pod), ends, scene);
  const address = person.addresses[ends.family];
  if (!address) throw new TestError("unknown_party", `${name} has no IPv${ends.family} address`);
  const { identity, labels, namedPorts, subject } = person;
  return { identity, labels, namedPorts, subject, address };
}

function addressEnd(text: string, { engine, people }: Scene): EndPoint {
  const address = Address.parse(text);
  const identity = engine.whoHas(address).identity;
  return { identity, labels: people.labelsOf(identity), address };
}

function entityEnd(
  { party, ...rest }: Ends & { readonly party: { readonly kind: "entity" } },
  scene: Scene,
): EndPoint {
  const ends = { party, ...rest };
  const node = nodeOfParty(ends.other, scene);
  switch (party.name) {
    case "world":
      return addressEnd(worldHost[ends.family], scene);
    case "kube-apiserver":
      return addressEnd(apiServer[ends.family], scene);
    case "host":
      return nodeEnd(node, ends, scene);
    case "remote-node":
      return nodeEnd(remoteNode(node, scene), ends, scene);
    case "health":
    case "init":
    case "ingress":
    case "unmanaged": {
      const identity = ReservedIdentity[party.name];
      return { identity, labels: scene.people.labelsOf(identity) };
    }
  }
}

function nodeEnd(node: string, { other, family }: Ends, scene: Scene): EndPoint {
  const isOwn = node === nodeOfParty(other, scene);
  const identity = ReservedIdentity[isOwn ? "host" : "remote-node"];
  const address = Address.parse(nodeAddress(node, family));
  return { identity, labels: scene.people.labelsOf(identity), address };
}

function nodeOfParty(party: Party, scene: Scene): string {
  const pod = scene.pods.get(partyName(party));
  return pod ? scene.nodeOf(pod) : (scene.nodes[0] as string);
}

function remoteNode(node: string, { nodes }: Scene): string {
  const found = anotherNode(node, nodes);
  if (found !== undefined) return found;
  throw new TestError("unsupported", "a cluster of one node has no remote node: `nodes: 2`");
}
