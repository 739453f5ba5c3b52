// The table of what a pod may not send: a sentence, the reason it is dropped for, the frame.
import { cutIntoFragments, ether, type PacketBuilder } from "@tsilium/net";
import type { PodFacts } from "./frames.ts";

/** What the frames are made of. */
export type DropWorld = {
  readonly sender: PodFacts;
  /** A pod of another node. */
  readonly far: PodFacts;
  /** Underlay addresses of the sender's node, then of the other. */
  readonly nodes: readonly [string, string];
  readonly otherNode6: string;
  /** A host outside the cluster. */
  readonly world: string;
};

/** `reason` in Cilium's words. */
export type DropCase = {
  readonly sentence: string;
  readonly reason: string;
  readonly frame: Uint8Array;
};

/** EtherType for local experiments (IEEE 802), which nobody speaks. */
export const experimental = 0x88b5;

const tunnelPort = 8472;

/** A small datagram in what comes before. */
export function datagram(packet: PacketBuilder, bytes = 8): PacketBuilder {
  return packet.udp({ sport: 4000, dport: 9999, payload: new Uint8Array(bytes) });
}

/** VXLAN around a datagram that says to come from one pod to another. */
export function tunnelled(
  outer: PacketBuilder,
  inner: { readonly vni: number; readonly from: string; readonly to: string },
): Uint8Array {
  const packet = datagram(ether().ipv4({ src: inner.from, dst: inner.to }));
  return outer
    .udp({ sport: 40_000, dport: tunnelPort })
    .vxlan({ vni: inner.vni })
    .payload(packet.bytes())
    .bytes();
}

export function dropCases({ sender, far, nodes, otherNode6, world }: DropWorld): DropCase[] {
  const rows: DropCase[] = [];
  const add = (sentence: string, reason: string, packet: PacketBuilder | Uint8Array) => {
    rows.push({
      sentence,
      reason,
      frame: packet instanceof Uint8Array ? packet : packet.bytes(),
    });
  };
  const frame = ether({ src: sender.mac, dst: sender.gatewayMac });
  const toFar4 = frame.ipv4({ src: sender.ipv4, dst: far.ipv4 });
  const toFar6 = frame.ipv6({ src: sender.ipv6, dst: far.ipv6 });
  const farTo4 = { src: far.ipv4, dst: world };
  const asHost = { vni: 1, from: far.ipv4, to: sender.ipv4 };

  const spoofed = "Invalid source ip";
  add("another pod's IPv4 address", spoofed, datagram(frame.ipv4(farTo4)));
  add(
    "another pod's IPv6 address",
    spoofed,
    datagram(frame.ipv6({ src: far.ipv6, dst: "2001:db8:113::10" })),
  );
  add("its node's address", spoofed, datagram(frame.ipv4({ src: nodes[0], dst: far.ipv4 })));
  add(
    "another source MAC",
    spoofed,
    datagram(
      ether({ src: far.mac, dst: sender.gatewayMac }).ipv4({ src: sender.ipv4, dst: far.ipv4 }),
    ),
  );
  add(
    "ARP in another pod's name",
    spoofed,
    frame.arp({
      operation: "request",
      senderMac: sender.mac,
      sender: far.ipv4,
      target: sender.ipv4,
    }),
  );

  add(
    "a frame for another MAC than its gateway's",
    "Unsupported L2 protocol",
    datagram(
      ether({ src: sender.mac, dst: "02:00:00:00:00:77" }).ipv4({
        src: sender.ipv4,
        dst: far.ipv4,
      }),
    ),
  );
  add(
    "a VLAN tag",
    "VLAN traffic disallowed by VLAN filter",
    datagram(frame.vlan({ id: 7 }).ipv4({ src: sender.ipv4, dst: far.ipv4 })),
  );
  add(
    "an L3 protocol that nobody knows",
    "Unsupported L3 protocol",
    ether({ src: sender.mac, dst: sender.gatewayMac, type: experimental }).payload("what is this?"),
  );

  const encapsulation = "Encapsulation traffic is prohibited";
  add(
    "VXLAN to another node, as the host",
    encapsulation,
    tunnelled(frame.ipv4({ src: sender.ipv4, dst: nodes[1] }), asHost),
  );
  add(
    "VXLAN to its own node, as the host",
    encapsulation,
    tunnelled(frame.ipv4({ src: sender.ipv4, dst: nodes[0] }), asHost),
  );
  add(
    "VXLAN over IPv6",
    encapsulation,
    tunnelled(frame.ipv6({ src: sender.ipv6, dst: otherNode6 }), asHost),
  );

  const fragment = "First logical datagram fragment not found";
  add(
    "an IPv4 fragment whose first one never came",
    fragment,
    lastFragment(datagram(toFar4, 2000), 1),
  );
  add(
    "an IPv6 fragment whose first one never came",
    fragment,
    lastFragment(datagram(toFar6, 2000), 2),
  );

  const invalid = "Invalid packet";
  const small4 = datagram(toFar4).bytes();
  add("an IPv4 header of another version", invalid, small4.with(l3, 0x55));
  add("an IPv4 header shorter than it can be", invalid, small4.with(l3, 0x44));
  add("an IPv6 header of another version", invalid, datagram(toFar6).bytes().with(l3, 0x40));
  add(
    "a TCP fragment that would overwrite the first one's flags",
    invalid,
    frame
      .ipv4({ src: sender.ipv4, dst: far.ipv4, protocol: 6, fragmentOffset: 8 })
      .payload(new Uint8Array(64)),
  );
  add(
    "IPv6 extension headers without end",
    "Invalid IPv6 extension header",
    datagram(
      Array.from({ length: 8 }).reduce<PacketBuilder>(
        (packet) => packet.extension({ kind: "destination" }),
        toFar6,
      ),
    ),
  );

  const truncated = "CT: Truncated or invalid header";
  const syn = toFar4.tcp({ sport: 4000, dport: 80, flags: "SYN" }).bytes();
  add("a TCP header that ends early", truncated, syn.subarray(0, l4 + 12));
  add("a TCP header shorter than it can be", truncated, syn.with(l4 + 12, 0x40));
  add(
    "an L4 protocol that nobody knows",
    "CT: Unknown L4 protocol",
    frame.ipv4({ src: sender.ipv4, dst: far.ipv4, protocol: 253 }).payload("what is this?"),
  );

  add(
    "multicast",
    "Unknown L3 target address",
    datagram(frame.ipv4({ src: sender.ipv4, dst: "224.0.0.251" })),
  );
  add(
    "a router advertisement",
    "Forbidden ICMPv6 message",
    toFar6.icmpv6({ type: routerAdvertisement }),
  );
  return rows;
}

/** Offsets of the IP header and, without options, of what follows IPv4's. */
const l3 = 14;
const l4 = l3 + 20;
const routerAdvertisement = 134;

function lastFragment(packet: PacketBuilder, id: number): Uint8Array {
  return cutIntoFragments(packet.bytes(), { size: 1400, id }).at(-1) as Uint8Array;
}
