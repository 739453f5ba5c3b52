// A generated cluster in the maps of a test node, as the agent of node-1 would have them, and its packets.
//
//   pods of node-1 --from_container--> each other, and everybody      own node --from_host-----> pods of node-1
//   pods and stacks of node-2, 3 --from_overlay--> pods of node-1     outside  --from_netdev---> pods of node-1
import { TypedMap } from "@tsilium/ebpf";
import { Address, Mac } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import type { EndpointEntry } from "../../packages/datapath/src/model.ts";
import { PolicyMaps } from "../../packages/datapath/src/policy/policy-maps.ts";
import { mappedBytes } from "../../packages/datapath/src/tables/address-key.ts";
import { endpointRow, hostRow } from "../../packages/datapath/src/tables/endpoint-rows.ts";
import type { PolicyDelta } from "../../packages/policy/src/index.ts";
import type { Scenario } from "../../packages/policy/src/testing/generate/index.ts";
import {
  type Answer,
  type Family,
  familyOf,
  type Party,
  partyName,
  type Pod,
  type Question,
  type Side,
} from "../../packages/policy/src/testing/naive/index.ts";
import {
  type KernelPolicy,
  Player,
  rowOf,
} from "../../packages/policy/src/testing/player/index.ts";
import type { Attempt, TestNode } from "./node.ts";
import { packetOf, podMac } from "./policy-packet.ts";

export const here = "node-1";
/** The interface on which test runs meet packets: whichever pod sends is behind it. */
const meetingInterface = 1;
const firstInterface = 100;
/** How another node's stack travels. */
const remoteNode = 6;
const mostSubjects = 500;

/** Maps that a scene fills. Of the arrays, `removeSubjects` empties what matters. */
const tables = [
  "tsi_ep_if",
  "tsi_ep_addr",
  "tsi_ipcache",
  "tsi_nodes",
  "tsi_identities",
  "tsi_policy_class",
  "tsi_policy_rule",
] as const;

export class PolicyScene {
  readonly player: Player;
  readonly #node: TestNode;
  readonly #maps: PolicyMaps;
  /** Of packets so far: no two are of one flow. */
  #packets = 0;

  /** Leaves nothing of the scene before. */
  constructor(node: TestNode, scenario: Scenario) {
    this.#node = node;
    // Not disposed of: its maps are the node's.
    this.#maps = PolicyMaps.of(new Map(Object.entries(node.maps)));
    node.reset();
    for (const name of tables) clear(node, name);
    this.#maps.removeSubjects(Array.from({ length: mostSubjects }, (_, at) => at + 1));
    this.player = new Player(scenario, here, (delta, before) => this.#write(delta, before));
    this.#writeWorld(scenario);
  }

  sync(scenario: Scenario): void {
    this.player.sync(scenario);
    this.#writeWorld(scenario);
  }

  /** The packet that opens such a flow, where it comes in; undefined for parties that send nothing here. */
  attempt(question: Question): Attempt | undefined {
    const { from } = question;
    const packet = packetOf(question, this.#packets++);
    switch (from.kind) {
      case "pod": {
        const { node } = from.pod;
        if (node !== here) return tunnelled(node, this.#identityOf(from, question.family), packet);
        const senders = new TypedMap(this.#node.map("tsi_ep_if"), abi.mapCodecs.tsi_ep_if);
        senders.update(meetingInterface, endpointRow(this.#endpoint(from.pod)));
        return { hook: "from_container", packet };
      }
      case "node":
        return from.node.name === here
          ? { hook: "from_host", packet }
          : tunnelled(from.node.name, remoteNode, packet);
      case "outside":
        return { hook: "from_netdev", packet };
      case "reserved":
        return undefined;
    }
  }

  /** In the order of docs/decisions/0006. */
  #write(delta: PolicyDelta, before: KernelPolicy): void {
    const maps = this.#maps;
    maps.forget(delta.forgotten);
    for (const slot of delta.slots) maps.writeSlot(slot);
    for (const rule of delta.rules) {
      const slot = delta.slots.find((each) => each.slot === rule.slot);
      maps.addRules(slot ?? before.header(rule.slot), [rule]);
    }
    for (const entry of delta.cidrClasses) maps.addCidrClasses(entry.slot, [entry]);
    for (const entry of delta.classes) maps.addClasses(entry.slot, [entry]);
    maps.setSubjects(delta.subjects);
    maps.removeSubjects(delta.removedSubjects);
    maps.setKnown(delta.known);
    maps.bumpEpoch();
    for (const { slot, identity } of delta.removedClasses) maps.removeClasses(slot, [identity]);
    for (const { slot, cidrSet } of delta.removedCidrClasses)
      maps.removeCidrClasses(slot, [cidrSet]);
    for (const slot of delta.removedSlots) maps.removeSlot(before.contents(slot));
  }

  /** Addresses, endpoints and nodes, from scratch. */
  #writeWorld({ world }: Scenario): void {
    for (const name of ["tsi_ipcache", "tsi_ep_addr", "tsi_nodes"]) clear(this.#node, name);
    const nodeOf = new Map(
      world.pods.flatMap((pod) => pod.addresses.map((address) => [address, pod.node])),
    );
    this.#maps.writeAddresses(
      this.player.rows.map(({ prefix, identity, cidrSet }) => {
        const node = prefix.isHost ? nodeOf.get(prefix.address.toString()) : undefined;
        const isRemote = node !== undefined && node !== here;
        const tunnelEndpoint = isRemote ? Address.parse(outerAddress(node)) : undefined;
        return { prefix, identity, cidrSet, tunnelEndpoint, owner: 1 };
      }),
    );
    const byAddress = new TypedMap(this.#node.map("tsi_ep_addr"), abi.mapCodecs.tsi_ep_addr);
    for (const pod of world.pods.filter(({ node }) => node === here))
      for (const address of pod.addresses)
        byAddress.update(keyOf(address), endpointRow(this.#endpoint(pod)));
    const nodes = new TypedMap(this.#node.map("tsi_nodes"), abi.mapCodecs.tsi_nodes);
    for (const { name, addresses } of world.nodes)
      if (name === here)
        for (const address of addresses) byAddress.update(keyOf(address), hostRow());
      else nodes.update(keyOf(outerAddress(name)), { flags: 0 });
    this.#maps.bumpEpoch();
  }

  #identityOf(party: Party, family: Family): number {
    const row = rowOf(this.player, party, family);
    if (!row) throw new Error(`${partyName(party)} is not there`);
    return row.identity;
  }

  #endpoint(pod: Pod): EndpointEntry {
    const number = Number(pod.name.replace("pod-", ""));
    const of = (family: Family) => pod.addresses.find((address) => familyOf(address) === family);
    const [ipv4, ipv6] = [of(4), of(6)];
    return {
      id: number + 1,
      ifindex: firstInterface + number,
      identity: this.#identityOf({ kind: "pod", pod }, ipv4 === undefined ? 6 : 4),
      ipv4: ipv4 === undefined ? undefined : Address.parse(ipv4),
      ipv6: ipv6 === undefined ? undefined : Address.parse(ipv6),
      mac: Mac.parse(podMac),
      nodeMac: Mac.parse(podMac),
      subject: this.player.view.subjectOf.get(`${pod.namespace}/${pod.name}`) ?? 0,
      netnsCookie: 0n,
    };
  }
}

/**
 * What the ends that are pods of this node have to say, in the order in which they are asked, up to the first that
 * denies. What another node's pod says is asked there.
 */
export function sidesHere(
  { from, to }: Question,
  { egress, ingress }: Answer,
): (Side & { readonly direction: "egress" | "ingress" })[] {
  const isHere = (party: Party) => party.kind === "pod" && party.pod.node === here;
  const sides = [
    ...(egress && isHere(from) ? [{ ...egress, direction: "egress" as const }] : []),
    ...(ingress && isHere(to) ? [{ ...ingress, direction: "ingress" as const }] : []),
  ];
  const denial = sides.findIndex(({ verdict }) => verdict === "denied");
  return denial < 0 ? sides : sides.slice(0, denial + 1);
}

function tunnelled(node: string, vni: number, packet: Uint8Array): Attempt {
  return { hook: "from_overlay", packet, tunnel: { outerSource: outerAddress(node), vni } };
}

/** "node-2" -> "172.18.0.3" */
function outerAddress(node: string): string {
  return `172.18.0.${Number(node.replace("node-", "")) + 1}`;
}

function keyOf(address: string): abi.AddressKey {
  return { address: mappedBytes(Address.parse(address)) };
}

function clear(node: TestNode, name: string): void {
  const map = node.map(name);
  map.batchDelete(Array.from(map.entries(), ([key]) => key));
}
