// Policy and services at once: policy sees the backend, its port and the client; the client hears from the service.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { TypedMap } from "@tsilium/ebpf";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { type Attempt, describe as text, TestNode } from "./node.ts";
import type { Place } from "./service-spec.ts";
import {
  clusterIp,
  dsrOption,
  external,
  fromB,
  inner,
  segment,
  wire,
  withOptions,
} from "./service-world.ts";
import { type PacketLike, toBytes } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  fromA,
  identities,
  macs,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  subjects,
  toPod,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true, dsr: "opt" } as const;
const node = new TestNode({ services });
after(() => node[Symbol.dispose]());
const { maps, slot, hold, release } = heldPolicy(node);
beforeEach(release);

const [tcp, client] = [6, 40000];
const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };
/** As the world's address is in the tests' table of addresses, and as other nodes send it. */
const identityWorld = 2;
const identityRemoteNode = 6;
const identityApiServer = 7;
const worldOf = { 4: 9, 6: 10 };
const otherRouter: Party = { 4: "10.244.1.1", 6: "fd00:10:244:1::1" };

const toLocal: Place = { at: clusterIp(90), port: 80 };
const toRemote: Place = { at: clusterIp(91), port: 80 };
const toItself: Place = { at: clusterIp(92), port: 80 };
const door: Place = { at: nodeAddress, port: 30080 };
const farDoor: Place = { at: external(91), port: 80 };
const direct: Place = { at: external(92), port: 80 };
node.services.set([
  {
    frontends: [
      { ...toLocal, kind: "cluster-ip" },
      { ...door, kind: "node-port" },
    ],
    backends: [{ at: b, port: 8080 }],
    protocols: ["tcp", "udp"],
  },
  {
    frontends: [
      { ...toRemote, kind: "cluster-ip" },
      { ...farDoor, kind: "external" },
      { ...direct, kind: "external", dsr: true },
    ],
    backends: [{ at: remotePod, port: 8080 }],
    protocols: ["tcp", "udp"],
  },
  {
    frontends: [{ ...toItself, kind: "cluster-ip" }],
    backends: [{ at: a, port: 8080 }],
    protocols: ["tcp", "udp"],
  },
]);

/** The verdict, and the packet where it matters. */
function tried(attempt: Omit<Attempt, "packet"> & { readonly packet: PacketLike }): string {
  return node.try({ ...attempt, packet: toBytes(attempt.packet) }).verdict;
}

function answered(
  attempt: Omit<Attempt, "packet"> & { readonly packet: PacketLike },
): readonly [string, string] {
  const { verdict, packet } = node.try({ ...attempt, packet: toBytes(attempt.packet) });
  return [verdict, packet];
}

const syn = ({ port }: Place) => ({ sport: client, dport: port, flags: "SYN" }) as const;
const pod = (family: Family, to: Place, protocol: "tcp" | "udp" = "tcp") =>
  ({
    hook: "from_container",
    packet: segment(fromA(family, to.at), protocol, syn(to)),
  }) as const;
const outside = (family: Family, to: Place, protocol: "tcp" | "udp" = "tcp") =>
  ({
    hook: "from_netdev",
    packet: segment(wire(family, [world, to.at]), protocol, syn(to)),
  }) as const;
const answerOfB = (family: Family, to: Party) =>
  ({
    hook: "from_container",
    pod: "b",
    packet: segment(fromB(family, b, to), "tcp", {
      sport: 8080,
      dport: client,
      flags: ["SYN", "ACK"],
    }),
  }) as const;

const classes = [
  { identity: identities.b, class: 1, ignoresCidr: false },
  { identity: identities.remotePod, class: 2, ignoresCidr: false },
  { identity: identities.a, class: 3, ignoresCidr: false },
  { identity: identityWorld, class: 4, ignoresCidr: false },
  { identity: worldOf[4], class: 4, ignoresCidr: false },
  { identity: worldOf[6], class: 4, ignoresCidr: false },
  { identity: identityRemoteNode, class: 5, ignoresCidr: false },
  { identity: identityApiServer, class: 6, ignoresCidr: false },
];

/** One end is isolated and allows nothing but this. */
function allowOnly(end: "aEgress" | "bIngress", ...rules: Parameters<typeof rule>[0][]): void {
  slot(slots[end], { rules: rules.map(rule), classes });
  if (end === "aEgress") hold(subjects.a, { egress: slots[end] });
  else hold(subjects.b, { ingress: slots[end] });
}
const toClass = { b: 1, remotePod: 2, a: 3, world: 4, remoteNode: 5, apiServer: 6 };
const only8080 = { protocol: tcp, port: 8080, portLength: 16 };

for (const family of [4, 6] as const)
  describe(`IPv${family}`, () => {
    test("egress is judged by the backend that was chosen, not by the service", () => {
      allowOnly("aEgress", { class: toClass.b });
      assert.equal(tried(pod(family, toLocal)), "redirect");
      assert.equal(tried(pod(family, toRemote)), "drop 133");
      release();
      allowOnly("aEgress", { class: toClass.remotePod });
      assert.equal(tried(pod(family, toLocal)), "drop 133");
      assert.equal(tried(pod(family, toRemote)), "redirect");
    });

    test("and by the backend's port, not the service's", () => {
      allowOnly("aEgress", { class: toClass.b, protocol: tcp, port: 80, portLength: 16 });
      assert.equal(tried(pod(family, toLocal)), "drop 133");
      release();
      allowOnly("aEgress", { class: toClass.b, ...only8080 });
      assert.equal(tried(pod(family, toLocal)), "redirect");
    });

    test("ingress is judged by the client that asks the service", () => {
      allowOnly("bIngress", { class: toClass.a, ...only8080 });
      assert.equal(tried(pod(family, toLocal)), "redirect");
      assert.equal(tried(outside(family, door)), "drop 133");
      release();
      allowOnly("bIngress", { class: toClass.world, ...only8080 });
      assert.equal(tried(pod(family, toLocal)), "drop 133");
      assert.equal(tried(outside(family, door)), "redirect");
    });

    test("what a policy answers a pod comes from the service", () => {
      const back = frame(family, [toLocal.at, a], { src: macs.here, dst: macs.a });
      allowOnly("aEgress", { class: toClass.b, verdict: "deny", response: "rst" });
      assert.deepEqual(answered(pod(family, toLocal)), [
        "refuse 181",
        text(back.tcp({ sport: 80, dport: client, flags: ["RST", "ACK"], ack: 1001 }).bytes()),
      ]);
      release();
      allowOnly("aEgress", { class: toClass.b, verdict: "deny", response: "icmp" });
      const about = pod(family, toLocal, "udp");
      assert.deepEqual(answered(about), [
        "refuse 181",
        text(prohibited(back, family, about.packet.bytes()).bytes()),
      ]);
    });

    test("what a policy answers a client from outside does", () => {
      const back = frame(family, [door.at, world], { src: macs.here, dst: macs.stranger });
      allowOnly("bIngress", { class: toClass.world, verdict: "deny", response: "rst" });
      assert.deepEqual(answered(outside(family, door)), [
        "refuse 181",
        text(back.tcp({ sport: 30080, dport: client, flags: ["RST", "ACK"], ack: 1001 }).bytes()),
      ]);
      release();
      allowOnly("bIngress", { class: toClass.world, verdict: "deny", response: "icmp" });
      const about = outside(family, door, "udp");
      assert.deepEqual(answered(about), [
        "refuse 181",
        text(prohibited(back, family, about.packet.bytes()).bytes()),
      ]);
    });

    test("what a remote backend's policy answers comes from the service here", () => {
      assert.equal(tried(outside(family, farDoor)), "redirect");
      const reset = inner(family, [remotePod, router]).tcp({
        sport: 8080,
        dport: client,
        flags: ["RST", "ACK"],
        ack: 1001,
      });
      assert.deepEqual(answered({ hook: "from_overlay", tunnel, packet: reset }), [
        "redirect",
        text(
          inner(family, [farDoor.at, world], { ttl: 63 })
            .tcp({ sport: 80, dport: client, flags: ["RST", "ACK"], ack: 1001 })
            .bytes(),
        ),
      ]);
      assert.equal(tried(outside(family, farDoor, "udp")), "redirect");
      const asked = (parties: readonly [Party, Party], dport: number) =>
        segment(wire(family, parties), "udp", { sport: client, dport }).bytes();
      const error = prohibited(
        inner(family, [remotePod, router]),
        family,
        asked([router, remotePod], 8080),
      );
      assert.deepEqual(answered({ hook: "from_overlay", tunnel, packet: error }), [
        "redirect",
        text(
          prohibited(
            inner(family, [farDoor.at, world], { ttl: 63 }),
            family,
            asked([world, farDoor.at], 80),
          ).bytes(),
        ),
      ]);
    });

    test("a client that is to be answered directly hears of a denial from the service too", () => {
      allowOnly("bIngress", { class: toClass.world, verdict: "deny", response: "rst" });
      const packet = segment(
        withOptions(family, [world, b], { options: dsrOption(family, direct) }),
        "tcp",
        { sport: client, dport: 8080 },
      );
      const from = { ...tunnel, vni: worldOf[family] };
      assert.deepEqual(answered({ hook: "from_overlay", tunnel: from, packet }), [
        "refuse 181",
        text(
          // Whom the frame is for, the neighbour's table says when it leaves.
          frame(family, [direct.at, world], { src: macs.stranger, dst: macs.stranger })
            .tcp({ sport: direct.port, dport: client, flags: ["RST", "ACK"], ack: 1001 })
            .bytes(),
        ),
      ]);
    });

    test("no policy stands between a pod and itself", () => {
      allowOnly("aEgress");
      maps.setSubjects([{ subject: subjects.a, egress: slots.aEgress, ingress: slots.aEgress }]);
      assert.equal(tried(pod(family, toItself)), "redirect");
      assert.equal(tried(pod(family, toLocal)), "drop 133");
    });

    test("a connection remembers the frontend, and who speaks with whom", () => {
      assert.equal(tried(pod(family, toLocal)), "redirect");
      const [entry] = connections(family);
      assert.equal(entry?.frontend, node.services.frontendId(family, toLocal));
      assert.equal(entry?.originIdentity, identities.a);
      assert.equal(entry?.replyIdentity, identities.b);
      node.reset();
      assert.equal(tried(outside(family, door)), "redirect");
      assert.equal(connections(family)[0]?.frontend, node.services.frontendId(family, door));
      node.reset();
      assert.equal(
        tried({
          hook: "from_container",
          packet: segment(fromA(family, b), "tcp", { sport: client, dport: 8080 }),
        }),
        "redirect",
      );
      assert.equal(connections(family)[0]?.frontend, 0);
    });

    for (const [who, ask, to] of [
      ["a pod's", () => pod(family, toLocal), a],
      ["a client's from outside", () => outside(family, door), world],
    ] as const) {
      const from = who === "a pod's" ? toLocal : door;

      test(`${who} flow that is no longer allowed ends, in both directions`, () => {
        assert.equal(tried(ask()), "redirect");
        assert.equal(tried(answerOfB(family, to)), "redirect");
        allowOnly("bIngress");
        assert.equal(tried(answerOfB(family, to)), "drop 133", "the answer, judged as its flow");
        assert.equal(tried(ask()), "drop 133");
      });

      test(`${who} flow that still is goes on as it was, in both directions`, () => {
        assert.equal(tried(ask()), "redirect");
        allowOnly("bIngress", { class: who === "a pod's" ? toClass.a : toClass.world });
        const link =
          who === "a pod's"
            ? toPod("a", family, [from.at, to])
            : frame(family, [from.at, to], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 });
        const heard = text(
          link
            .tcp({ sport: from.port, dport: client, flags: ["SYN", "ACK"], seq: 1000, ack: 2000 })
            .bytes(),
        );
        assert.deepEqual(answered(answerOfB(family, to)), ["redirect", heard]);
        assert.equal(tried(ask()), "redirect");
        maps.bumpEpoch();
        assert.deepEqual(answered(answerOfB(family, to)), ["redirect", heard]);
      });
    }

    test("whom another node stands in for is the world, also when an answer is judged anew", () => {
      const asked = {
        hook: "from_overlay",
        tunnel: { ...tunnel, vni: worldOf[family] },
        packet: segment(inner(family, [otherRouter, b]), "tcp", { sport: client, dport: 8080 }),
      } as const;
      allowOnly("bIngress", { class: toClass.world });
      assert.equal(tried(asked), "redirect");
      maps.bumpEpoch();
      assert.equal(tried(answerOfB(family, otherRouter)), "redirect");
      // A slot beside the present one, which denies the world.
      slot(slots.aIngress, { rules: [rule({ class: toClass.remoteNode })], classes });
      hold(subjects.b, { ingress: slots.aIngress });
      assert.equal(tried(answerOfB(family, otherRouter)), "drop 133");
      assert.equal(tried(asked), "drop 133");
    });

    test("whom another node stands in for keeps any identity of its own so", () => {
      const asked = {
        hook: "from_overlay",
        tunnel: { ...tunnel, vni: identityApiServer },
        packet: segment(inner(family, [otherRouter, b]), "tcp", { sport: client, dport: 8080 }),
      } as const;
      allowOnly("bIngress", { class: toClass.apiServer });
      assert.equal(tried(asked), "redirect");
      maps.bumpEpoch();
      assert.equal(tried(answerOfB(family, otherRouter)), "redirect");
    });

    test("and a node that asks itself is a node", () => {
      const asked = {
        hook: "from_overlay",
        tunnel: { ...tunnel, vni: identityRemoteNode },
        packet: segment(inner(family, [otherRouter, b]), "tcp", { sport: client, dport: 8080 }),
      } as const;
      allowOnly("bIngress", { class: toClass.remoteNode });
      assert.equal(tried(asked), "redirect");
      maps.bumpEpoch();
      assert.equal(tried(answerOfB(family, otherRouter)), "redirect");
    });
  });

/** "Administratively prohibited" about a packet, of which it quotes what we do. */
function prohibited(packet: ReturnType<typeof wire>, family: Family, about: Uint8Array) {
  const header = family === 4 ? 20 : 40;
  const payload = about.subarray(14, 14 + header + 8);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 13, payload })
    : packet.icmpv6({ type: "unreachable", code: 1, payload });
}

function connections(family: Family): abi.ConntrackEntry[] {
  const values =
    family === 4
      ? new TypedMap(node.map("tsi_ct4_new"), abi.mapCodecs.tsi_ct4_new).entries()
      : new TypedMap(node.map("tsi_ct6_new"), abi.mapCodecs.tsi_ct6_new).entries();
  return Array.from(values, ([, entry]: readonly [unknown, abi.ConntrackEntry]) => entry);
}
