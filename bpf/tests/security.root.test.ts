// Past bypasses of systems of this kind where the datapath can be at fault, with policy on. Each test is named after its
// row in docs/security.md.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { TypedMap } from "@tsilium/ebpf";
import { cutIntoFragments, type PacketBuilder } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { mappedBytes } from "../../packages/datapath/src/tables/address-key.ts";
import { endpointRow } from "../../packages/datapath/src/tables/endpoint-rows.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { type Hook, TestNode } from "./node.ts";
import { type PacketLike, toBytes } from "./table.ts";
import {
  a,
  b,
  endpoints,
  type Family,
  frame,
  fromA,
  icmp,
  identities,
  type IpOptions,
  macs,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  subjects,
  world,
} from "./world.ts";

const node = new TestNode();
after(() => node[Symbol.dispose]());
const { maps, slot, hold, release } = heldPolicy(node);
beforeEach(release);

const [tcp, udp] = [6, 17];
const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };
const identityHost = 1;

function verdict(hook: Hook, packet: PacketLike): string {
  const way = hook === "from_overlay" ? { tunnel } : {};
  return node.try({ hook, packet: toBytes(packet), ...way }).verdict;
}

const sent = (packet: PacketLike) => verdict("from_container", packet);
const received = (packet: PacketLike) => verdict("from_overlay", packet);
const fromRemote = (family: Family) =>
  frame(family, [remotePod, a], { src: macs.stranger, dst: macs.stranger });
const onWire = (family: Family, parties: readonly [Party, Party], options: IpOptions = {}) =>
  frame(family, parties, { src: macs.stranger, dst: macs.here, ...options });

/** While pod a's rows name no subject, as they do until its policy is in force. */
function withoutPolicy(look: () => void): void {
  const [pod] = endpoints;
  if (!pod) throw new Error("there is no pod a");
  const write = (row: abi.Endpoint) => {
    new TypedMap(node.map("tsi_ep_if"), abi.mapCodecs.tsi_ep_if).update(pod.ifindex, row);
    const byAddress = new TypedMap(node.map("tsi_ep_addr"), abi.mapCodecs.tsi_ep_addr);
    for (const address of [pod.ipv4, pod.ipv6])
      byAddress.update({ address: mappedBytes(address) }, row);
  };
  write(endpointRow({ ...pod, subject: 0 }));
  try {
    look();
  } finally {
    write(endpointRow(pod));
  }
}

/** One end is isolated and allows nothing but this. */
function allowOnly(
  end: "aEgress" | "aIngress" | "bIngress",
  ...rules: Parameters<typeof rule>[0][]
) {
  slot(slots[end], { rules: rules.map(rule) });
  const subject = end === "bIngress" ? subjects.b : subjects.a;
  hold(subject, end === "aEgress" ? { egress: slots[end] } : { ingress: slots[end] });
}

for (const family of [4, 6] as const) {
  const echo = { protocol: family === 4 ? 1 : 58, request: family === 4 ? 8 : 128 };
  const dns = { protocol: udp, port: 53, portLength: 16 };
  const datagram = (dport: number, id = 7) =>
    cutIntoFragments(
      fromA(family, b)
        .udp({ sport: 5000, dport, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id },
    ) as [Uint8Array, Uint8Array, Uint8Array];

  describe(`IPv${family}`, () => {
    test("Fragments: all of a datagram's are judged by the port that its first has", () => {
      allowOnly("bIngress", dns);
      const verdicts = (dport: number, id: number) => datagram(dport, id).map(sent);
      assert.deepEqual(verdicts(53, 7), ["redirect", "redirect", "redirect"]);
      assert.deepEqual(verdicts(54, 8), ["drop 133", "drop 133", "drop 133"]);
    });

    test("Fragments: one that precedes its first is let through by no rule (175)", () => {
      allowOnly("bIngress", {});
      const [first, second] = datagram(53);
      assert.equal(sent(second), "drop 175");
      assert.equal(sent(first), "redirect");
      assert.equal(sent(second), "redirect");
    });

    test("Fragments: an allowed datagram speaks for no other one", () => {
      allowOnly("bIngress", dns);
      assert.equal(sent(datagram(53, 7)[0]), "redirect");
      assert.equal(sent(datagram(53, 9)[1]), "drop 175");
      assert.equal(
        sent(datagram(54, 7)[0]),
        "drop 133",
        "a second first, of a port that is denied",
      );
      assert.equal(sent(datagram(53, 7)[1]), "drop 133", "and what would complete it");
    });

    test("Fragments: a first one too small to say what it is is let through by no rule (135)", () => {
      allowOnly("bIngress", {});
      const segment = fromA(family, b).tcp({ sport: 40000, dport: 80, flags: "SYN" });
      const [tiny] = cutIntoFragments(segment.bytes(), { size: 8, id: 7 }) as [Uint8Array];
      assert.equal(sent(tiny), "drop 135");
    });

    test("Fragments: one that overlaps the flags that were judged is let through by no rule (134)", () => {
      allowOnly("bIngress", {});
      const segment = fromA(family, b).tcp({ sport: 40000, dport: 80, payload: "x".repeat(64) });
      const [first] = cutIntoFragments(segment.bytes(), { size: 32, id: 7 }) as [Uint8Array];
      const overlapping = cutIntoFragments(segment.bytes(), { size: 8, id: 7 })[1] as Uint8Array;
      assert.equal(sent(first), "redirect");
      assert.equal(sent(overlapping), "drop 134");
    });

    test("Fragments: a ping in pieces is judged by its type", () => {
      const pieces = (kind: "echo-request" | "echo-reply", id: number) =>
        cutIntoFragments(icmp(fromA(family, b), family, kind, 7).bytes(), { size: 8, id });
      allowOnly("bIngress", { protocol: echo.protocol, port: echo.request, portLength: 16 });
      assert.deepEqual(pieces("echo-request", 1).map(sent), ["redirect", "redirect"]);
      release();
      allowOnly("bIngress", dns);
      assert.deepEqual(pieces("echo-request", 2).map(sent), ["drop 133", "drop 133"]);
    });

    test("Spoofed source: what another pod may send, a pod cannot send in its name (132)", () => {
      slot(slots.aEgress, { rules: [rule({})] });
      hold(subjects.a, { egress: slots.aEgress });
      const syn = { sport: 40000, dport: 80, flags: "SYN" } as const;
      assert.equal(sent(fromA(family, remotePod).tcp(syn)), "redirect");
      assert.equal(sent(frame(family, [b, remotePod]).tcp(syn)), "drop 132", "its address");
      assert.equal(
        sent(frame(family, [nodeAddress, remotePod]).tcp(syn)),
        "drop 132",
        "its node's",
      );
      assert.equal(sent(fromA(family, remotePod, { src: macs.b }).tcp(syn)), "drop 132", "its MAC");
    });

    test("Spoofed source: nobody on the underlay is a pod or this node (132)", () => {
      allowOnly("aIngress", {});
      const syn = { sport: 40000, dport: 80, flags: "SYN" } as const;
      for (const forged of [b, remotePod, nodeAddress])
        assert.equal(verdict("from_netdev", onWire(family, [forged, a]).tcp(syn)), "drop 132");
    });

    test("Pod-sent VXLAN: a pod chooses no identity, whatever its policy allows (170)", () => {
      allowOnly("aEgress", {});
      for (const to of [otherNode, nodeAddress, world]) {
        const forged = fromA(family, to)
          .udp({ sport: 5000, dport: 8472 })
          .vxlan({ vni: identityHost })
          .ether()
          .ipv4({ src: nodeAddress[4], dst: remotePod[4] })
          .udp({ sport: 1, dport: 2 });
        assert.equal(sent(forged), "drop 170");
      }
    });

    test("CVE-2023-27594: what comes from outside is never the host, whatever it says", () => {
      slot(slots.aIngress, {
        classes: [{ identity: identityHost, class: 1, ignoresCidr: false }],
        rules: [rule({ class: 1 })],
      });
      hold(subjects.a, { ingress: slots.aIngress });
      const syn = { sport: 40000, dport: 80, flags: "SYN" } as const;
      assert.equal(verdict("from_netdev", onWire(family, [world, a]).tcp(syn)), "drop 133");
      assert.equal(verdict("from_host", onWire(family, [world, a]).tcp(syn)), "drop 133");
      assert.equal(verdict("from_netdev", onWire(family, [nodeAddress, a]).tcp(syn)), "drop 132");
      assert.equal(verdict("from_host", onWire(family, [nodeAddress, a]).tcp(syn)), "redirect");
    });

    test("Constellation-style: a world host with a route to pods is held to their policy", () => {
      const syn = { sport: 40000, dport: 80, flags: "SYN" } as const;
      allowOnly("aIngress");
      assert.equal(verdict("from_netdev", onWire(family, [world, a]).tcp(syn)), "drop 133");
      release();
      allowOnly("aIngress", { protocol: tcp, port: 80, portLength: 16 });
      assert.equal(verdict("from_netdev", onWire(family, [world, a]).tcp(syn)), "redirect");
    });

    test("CVE-2024-42488: a pod that nobody has told a policy for is cut off in both directions (203)", () => {
      const syn = { sport: 40000, dport: 80, flags: "SYN" } as const;
      withoutPolicy(() => {
        assert.equal(sent(fromA(family, remotePod).tcp(syn)), "drop 203");
        assert.equal(received(fromRemote(family).tcp(syn)), "drop 203");
        assert.equal(verdict("from_host", onWire(family, [nodeAddress, a]).tcp(syn)), "drop 203");
      });
      assert.equal(sent(fromA(family, remotePod).tcp(syn)), "redirect");
    });

    test("Reply-direction trust: a flow that was denied gives nobody the right to answer", () => {
      slot(slots.aEgress);
      slot(slots.aIngress);
      hold(subjects.a, { egress: slots.aEgress, ingress: slots.aIngress });
      assert.equal(sent(fromA(family, remotePod).udp({ sport: 5000, dport: 53 })), "drop 133");
      assert.equal(received(fromRemote(family).udp({ sport: 53, dport: 5000 })), "drop 133");
    });

    test("Reply-direction trust: who answers a connection opens none the other way", () => {
      allowOnly("aIngress");
      const ends = { sport: 80, dport: 40000 } as const;
      const syn = fromA(family, remotePod).tcp({ sport: 40000, dport: 80, flags: "SYN" });
      assert.equal(sent(syn), "redirect");
      assert.equal(
        received(fromRemote(family).tcp({ ...ends, flags: ["SYN", "ACK"] })),
        "redirect",
      );
      assert.equal(received(fromRemote(family).tcp({ ...ends, flags: "SYN" })), "drop 133");
      assert.equal(received(fromRemote(family).udp({ sport: 80, dport: 40000 })), "drop 133");
    });

    test("GHSA-c66w-hq56-4q97: a ping with the ports of a flow as its id is no part of the flow", () => {
      allowOnly("aIngress");
      for (const sport of [0, 7]) {
        assert.equal(sent(fromA(family, remotePod).udp({ sport, dport: 7 })), "redirect");
        assert.equal(received(fromRemote(family).udp({ sport: 7, dport: sport })), "redirect");
      }
      for (const kind of ["echo-request", "echo-reply"] as const)
        assert.equal(received(icmp(fromRemote(family), family, kind, 7)), "drop 133");
    });

    for (const protocol of ["UDP", "TCP"] as const)
      test(`Policy narrowed: an established ${protocol} flow that is no longer allowed ends, in both directions`, () => {
        const [ask, answer] =
          protocol === "UDP"
            ? [
                fromA(family, remotePod).udp({ sport: 5000, dport: 53 }),
                fromRemote(family).udp({ sport: 53, dport: 5000 }),
              ]
            : [
                fromA(family, remotePod).tcp({ sport: 40000, dport: 80, flags: "ACK" }),
                fromRemote(family).tcp({ sport: 80, dport: 40000, flags: "ACK" }),
              ];
        slot(slots.aIngress);
        hold(subjects.a, { ingress: slots.aIngress });
        assert.deepEqual(
          [sent(ask), received(answer), sent(ask)],
          ["redirect", "redirect", "redirect"],
        );
        assert.equal(node.map(`tsi_ct${family}`).keys().toArray().length, 1, "established");
        slot(slots.aEgress);
        hold(subjects.a, { ingress: slots.aIngress, egress: slots.aEgress });
        assert.equal(received(answer), "drop 133", "an answer");
        assert.equal(sent(ask), "drop 133");
        assert.equal(received(answer), "drop 133");
        hold(subjects.a, { ingress: slots.aIngress });
        assert.equal(received(answer), "redirect", "allowed again");
      });

    test("Conntrack reuse: the ports of a connection that ended are a new connection's, judged as such", () => {
      const ends = { sport: 40000, dport: 80 } as const;
      const open = [
        fromRemote(family).tcp({ ...ends, flags: "SYN" }),
        fromRemote(family).tcp({ ...ends, flags: "ACK" }),
      ];
      for (const packet of open) assert.equal(received(packet), "redirect");
      assert.equal(received(fromRemote(family).tcp({ ...ends, flags: "RST" })), "redirect");
      slot(slots.aIngress);
      // The epoch does not move: an entry that still stood for the connection would let it through.
      maps.setSubjects([{ subject: subjects.a, ingress: slots.aIngress, egress: 1 }]);
      assert.equal(received(fromRemote(family).tcp({ ...ends, flags: "SYN" })), "drop 133");
    });

    test("Map overflow: whom connection tracking had to forget has no right to be answered", () => {
      allowOnly("aIngress");
      assert.equal(sent(fromA(family, remotePod).udp({ sport: 5000, dport: 53 })), "redirect");
      const answer = fromRemote(family).udp({ sport: 53, dport: 5000 });
      assert.equal(received(answer), "redirect");
      node.reset();
      assert.equal(received(answer), "drop 133");
    });

    test("SYN flood: an answered SYN that its sender resets takes no place among the established", () => {
      const opening = { sport: 40000, dport: 80 } as const;
      const answering = { sport: 80, dport: 40000 } as const;
      const established = () => node.map(`tsi_ct${family}`).keys().toArray().length;
      assert.equal(sent(fromA(family, remotePod).tcp({ ...opening, flags: "SYN" })), "redirect");
      const answer = fromRemote(family).tcp({ ...answering, flags: ["SYN", "ACK"] });
      assert.equal(received(answer), "redirect");
      assert.equal(sent(fromA(family, remotePod).tcp({ ...opening, flags: "RST" })), "redirect");
      assert.equal(established(), 0);
      assert.equal(sent(fromA(family, remotePod).tcp({ ...opening, flags: "SYN" })), "redirect");
      assert.equal(received(answer), "redirect");
      assert.equal(sent(fromA(family, remotePod).tcp({ ...opening, flags: "ACK" })), "redirect");
      assert.equal(established(), 1);
    });
  });
}

describe("IPv6 extension headers", () => {
  type Chain = readonly (readonly [what: string, lay: (packet: PacketBuilder) => PacketBuilder])[];
  const chains: Chain = [
    ["hop-by-hop options", (packet) => packet.extension({ kind: "hop-by-hop" })],
    ["a routing header", (packet) => packet.extension({ kind: "routing" })],
    ["destination options", (packet) => packet.extension({ kind: "destination" })],
    [
      "all of them",
      (packet) =>
        packet
          .extension({ kind: "hop-by-hop" })
          .extension({ kind: "destination" })
          .extension({ kind: "routing" })
          .extension({ kind: "destination" }),
    ],
    [
      "destination options before a whole fragment",
      (packet) =>
        packet.extension({ kind: "destination" }).fragment({ id: 7, offset: 0, more: false }),
    ],
    [
      "a first fragment before destination options",
      (packet) =>
        packet.fragment({ id: 7, offset: 0, more: true }).extension({ kind: "destination" }),
    ],
  ];
  for (const [what, lay] of chains)
    test(`IPv6 extension headers: behind ${what} the port is judged, and the ICMP type`, () => {
      allowOnly(
        "bIngress",
        { protocol: tcp, port: 80, portLength: 16 },
        { protocol: 58, port: 128, portLength: 16 },
      );
      const segment = (dport: number) =>
        lay(fromA(6, b)).tcp({ sport: 40000, dport, flags: "SYN" });
      assert.deepEqual([80, 81].map(segment).map(sent), ["redirect", "drop 133"]);
      assert.equal(sent(icmp(lay(fromA(6, b)), 6, "echo-request", 7)), "redirect");
      assert.equal(sent(icmp(lay(fromA(6, b)), 6, "echo-reply", 8)), "drop 133");
    });

  test("IPv6 extension headers: what cannot be looked through is let through by no rule", () => {
    allowOnly("bIngress", {});
    const [esp, none] = [50, 59];
    for (const protocol of [esp, none])
      assert.equal(
        sent(fromA(6, b).extension({ kind: "destination", protocol }).payload("?")),
        "drop 137",
      );
    let long = fromA(6, b);
    for (let count = 0; count < 7; count++) long = long.extension({ kind: "destination" });
    assert.equal(sent(long.tcp({ sport: 40000, dport: 80, flags: "SYN" })), "drop 156");
  });

  test("NDP from a pod: it announces no router, and no address but its own (176)", () => {
    allowOnly("aEgress", {});
    const routerAdvertisement = 134;
    assert.equal(sent(fromA(6, b).icmpv6({ type: routerAdvertisement })), "drop 176");
  });
});
