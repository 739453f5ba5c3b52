// What policy lets through: slots, classes and rules against packets, by the shipped programs.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import type { IpcacheEntry } from "../../packages/datapath/src/model.ts";
import { heldPolicy, rule, slots } from "./held-policy.ts";
import { describe as text, TestNode, type Hook } from "./node.ts";
import { toBytes, type PacketLike } from "./table.ts";
import {
  a,
  b,
  frame,
  fromA,
  icmp,
  identities,
  macs,
  node as nodeAddress,
  otherNode,
  remotePod,
  subjects,
  toPod,
  world,
  type Family,
} from "./world.ts";

/** Few enough for a test to be quicker, on a machine that is busy too. */
const refusalsPerSecond = 100;
const node = new TestNode({}, { refusals_per_second: refusalsPerSecond });
after(() => node[Symbol.dispose]());

const { maps, slot, hold, release } = heldPolicy(node);
const tcp = 6;

beforeEach(release);

const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

function verdict(hook: Hook, packet: PacketLike): string {
  return node.try({
    hook,
    packet: toBytes(packet),
    ...(hook === "from_overlay" ? { tunnel } : {}),
  }).verdict;
}

const syn = (dport: number) => ({ sport: 40000, dport, flags: "SYN" }) as const;
const toB = (family: Family, dport = 80) => fromA(family, b).tcp(syn(dport));
const fromRemote = (family: Family) =>
  frame(family, [remotePod, a], { src: macs.stranger, dst: macs.stranger });

for (const family of [4, 6] as const) {
  describe(`IPv${family}`, () => {
    test("what nothing allows is denied by default (133), at either end", () => {
      slot(slots.bIngress);
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_container", toB(family)), "drop 133");
      node.allowAll();
      slot(slots.aEgress);
      hold(subjects.a, { egress: slots.aEgress });
      assert.equal(verdict("from_container", toB(family)), "drop 133");
    });

    test("a rule that denies has a reason of its own (181)", () => {
      slot(slots.bIngress, { rules: [rule({ verdict: "deny", rule: 7 })] });
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_container", toB(family)), "drop 181");
    });

    test("both ends' policy must allow: egress and ingress", () => {
      slot(slots.aEgress, { rules: [rule({})] });
      slot(slots.bIngress, { rules: [rule({ protocol: tcp, port: 80, portLength: 16 })] });
      hold(subjects.a, { egress: slots.aEgress });
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_container", toB(family)), "redirect");
      assert.equal(verdict("from_container", toB(family, 81)), "drop 133");
    });

    test("a peer's class decides", () => {
      slot(slots.bIngress, {
        classes: [{ identity: identities.a, class: 1, ignoresCidr: false }],
        rules: [rule({ class: 1 })],
      });
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_container", toB(family)), "redirect");
      maps.removeClasses(slots.bIngress, [identities.a]);
      maps.bumpEpoch();
      assert.equal(verdict("from_container", toB(family)), "drop 133");
    });

    test("the longest port prefix decides, then the protocol, then any", () => {
      slot(slots.bIngress, {
        rules: [
          rule({ rule: 1 }),
          rule({ protocol: tcp, verdict: "deny", rule: 2 }),
          rule({ protocol: tcp, port: 8080, portLength: 12, rule: 3 }),
          rule({ protocol: tcp, port: 8085, portLength: 16, verdict: "deny", rule: 4 }),
        ],
      });
      hold(subjects.b, { ingress: slots.bIngress });
      const verdicts = [8079, 8080, 8085, 8095, 8096].map((port) =>
        verdict("from_container", toB(family, port)),
      );
      assert.deepEqual(verdicts, ["drop 181", "redirect", "drop 181", "redirect", "drop 181"]);
      const udp = fromA(family, b).udp({ sport: 1000, dport: 8085 });
      assert.equal(verdict("from_container", udp), "redirect");
    });

    test("a pod's answer needs no rule", () => {
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn(80))), "redirect");
      const answer = fromRemote(family).tcp({ sport: 80, dport: 40000, flags: ["SYN", "ACK"] });
      assert.equal(verdict("from_overlay", answer), "redirect");
    });

    test("a connection that policy no longer allows ends with its next packet, in both directions", () => {
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn(80))), "redirect");
      const answer = fromRemote(family).tcp({ sport: 80, dport: 40000, flags: "ACK" });
      assert.equal(verdict("from_overlay", answer), "redirect");
      slot(slots.aEgress);
      hold(subjects.a, { egress: slots.aEgress });
      const data = fromA(family, remotePod).tcp({ sport: 40000, dport: 80, flags: "ACK" });
      assert.equal(verdict("from_container", data), "drop 133");
      assert.equal(verdict("from_overlay", answer), "drop 133", "a reply, judged as its flow");
      node.allowAll();
      maps.bumpEpoch();
      assert.equal(verdict("from_container", data), "redirect");
    });

    test("a UDP reply of a revoked flow is dropped too", () => {
      const query = fromA(family, remotePod).udp({ sport: 5000, dport: 53 });
      const reply = fromRemote(family).udp({ sport: 53, dport: 5000 });
      assert.equal(verdict("from_container", query), "redirect");
      assert.equal(verdict("from_overlay", reply), "redirect");
      slot(slots.aEgress);
      hold(subjects.a, { egress: slots.aEgress });
      assert.equal(verdict("from_overlay", reply), "drop 133");
    });

    test("a pod whose policy is not known is cut off (203)", () => {
      hold(subjects.a, { egress: 0 });
      assert.equal(verdict("from_container", toB(family)), "drop 203");
      hold(subjects.a, { egress: 77 });
      assert.equal(
        verdict("from_container", fromA(family, remotePod).tcp(syn(80))),
        "drop 181",
        "a slot without a header denies",
      );
    });

    test("an identity that has not been heard of is refused where some known one is denied (171)", () => {
      slot(slots.aIngress, { knownPeersOnly: true, rules: [rule({})] });
      hold(subjects.a, { ingress: slots.aIngress });
      const packet = fromRemote(family).tcp(syn(80));
      assert.equal(verdict("from_overlay", packet), "drop 171");
      maps.setKnown([identities.remotePod]);
      assert.equal(verdict("from_overlay", packet), "redirect");
    });

    test("a set of prefixes decides where the address is looked at", () => {
      const covered = worldRow(family, 5);
      maps.writeAddresses([covered]);
      const fields = {
        usesCidr: true,
        cidrClasses: [{ cidrSet: 5, class: 1 }],
        rules: [rule({ cidrClass: 1 })],
      };
      slot(slots.aEgress, fields);
      hold(subjects.a, { egress: slots.aEgress });
      const packet = fromA(family, world).tcp(syn(443));
      assert.equal(verdict("from_container", packet), "pass");
      slot(slots.aEgress, { ...fields, defaultIgnoresCidr: true });
      maps.bumpEpoch();
      node.reset();
      assert.equal(verdict("from_container", packet), "drop 133");
      maps.deleteAddresses([covered.prefix]);
    });

    test("an audit verdict forwards", () => {
      slot(slots.bIngress, { rules: [rule({ verdict: "audit", rule: 9 })] });
      hold(subjects.b, { ingress: slots.bIngress });
      assert.equal(verdict("from_container", toB(family)), "redirect");
    });

    test("ICMP is judged by its type, and a ping's answer belongs to it", () => {
      const echoRequest = family === 4 ? 8 : 128;
      const protocol = family === 4 ? 1 : 58;
      slot(slots.aEgress, { rules: [rule({ protocol, port: echoRequest, portLength: 16 })] });
      slot(slots.aIngress);
      hold(subjects.a, { egress: slots.aEgress, ingress: slots.aIngress });
      const ping = icmp(fromA(family, remotePod), family, "echo-request", 7);
      const pong = icmp(fromRemote(family), family, "echo-reply", 7);
      assert.equal(verdict("from_overlay", pong), "drop 133", "nobody asked");
      assert.equal(verdict("from_container", ping), "redirect");
      assert.equal(verdict("from_overlay", pong), "redirect");
      const asked = icmp(fromRemote(family), family, "echo-request", 7);
      assert.equal(verdict("from_overlay", asked), "drop 133");
    });

    test("an ICMP error about an allowed flow is let through, one about no flow is judged", () => {
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      const flow = fromA(family, remotePod).udp({ sport: 5000, dport: 53 });
      const error = errorAbout(family, flow.bytes().subarray(14));
      assert.equal(verdict("from_overlay", error), "drop 133");
      assert.equal(verdict("from_container", flow), "redirect");
      assert.equal(verdict("from_overlay", error), "redirect");
    });

    test("CT id confusion (GHSA-c66w-hq56-4q97): a ping with a connection's port as id is no part of it", () => {
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn(80))), "redirect");
      for (const id of [80, 40000]) {
        const ping = icmp(fromRemote(family), family, "echo-request", id);
        assert.equal(verdict("from_overlay", ping), "drop 133");
      }
    });

    test("an address that another pod took over has neither the verdict nor the right to be answered", () => {
      const query = fromA(family, remotePod).udp({ sport: 5000, dport: 53 });
      const reply = fromRemote(family).udp({ sport: 53, dport: 5000 });
      slot(slots.aIngress);
      hold(subjects.a, { ingress: slots.aIngress });
      assert.equal(verdict("from_container", query), "redirect");
      assert.equal(verdict("from_overlay", reply), "redirect");
      // The same identity, the same address, another pod.
      const row = remoteRow(family, 555);
      assert.equal(maps.writeAddresses([row]), true);
      maps.bumpEpoch();
      assert.equal(verdict("from_overlay", reply), "drop 133", "it was not asked");
      maps.writeAddresses([remoteRow(family, 100 + identities.remotePod)]);
      maps.bumpEpoch();
      assert.equal(verdict("from_overlay", reply), "redirect", "the entry stood for the old one");
    });

    test("a flood of first packets stays out of the table of established connections", () => {
      assert.equal(verdict("from_container", fromA(family, remotePod).tcp(syn(80))), "redirect");
      const answer = fromRemote(family).tcp({ sport: 80, dport: 40000, flags: ["SYN", "ACK"] });
      assert.equal(verdict("from_overlay", answer), "redirect");
      const data = fromA(family, remotePod).tcp({ sport: 40000, dport: 80, flags: "ACK" });
      assert.equal(verdict("from_container", data), "redirect");
      for (let port = 1; port <= 100; port++)
        verdict("from_container", fromA(family, b).tcp({ sport: port, dport: 81, flags: "SYN" }));
      const entries = (table: string) => node.map(table).keys().toArray().length;
      assert.deepEqual([entries(`tsi_ct${family}`), entries(`tsi_ct${family}_new`)], [1, 100]);
    });
  });
}

test("a pod cannot speak for another one's flows in an ICMP error (132)", () => {
  const quoted = frame(4, [remotePod, b]).udp({ sport: 53, dport: 5000 }).bytes().subarray(14);
  const packet = fromA(4, remotePod).icmp({ type: "unreachable", code: 3, payload: quoted });
  assert.equal(verdict("from_container", packet), "drop 132");
});

test("an IPv6 packet from an IPv4-mapped address is malformed (134)", () => {
  const mapped = { 4: a[4], 6: `::ffff:${world[4]}` };
  assert.equal(verdict("from_container", fromA(6, mapped).tcp(syn(80))), "drop 134");
});

describe("a policy that answers what it denies", () => {
  const refusing = (response: "icmp" | "rst"): void => {
    slot(slots.aEgress, { response });
    slot(slots.aIngress, { response });
    hold(subjects.a, { egress: slots.aEgress, ingress: slots.aIngress });
  };
  const outcome = (hook: Hook, packet: PacketLike): string => {
    const { verdict: word, packet: text } = node.try({
      hook,
      packet: toBytes(packet),
      ...(hook === "from_overlay" ? { tunnel } : {}),
    });
    return `${word}\n${text}`;
  };
  const segment = { sport: 40000, dport: 80, seq: 1000, flags: "SYN" } as const;
  const reset = {
    sport: 80,
    dport: 40000,
    seq: 0,
    ack: 1001,
    flags: ["RST", "ACK"],
    window: 0,
  } as const;

  for (const family of [4, 6] as const) {
    test(`IPv${family}: resets a TCP connection, towards the pod and towards another node`, () => {
      refusing("rst");
      const back = toPod("a", family, [remotePod, a], { ttl: 64, src: macs.here, dst: macs.a });
      assert.equal(
        outcome("from_container", fromA(family, remotePod).tcp(segment)),
        `refuse 133\n${text(back.tcp(reset).bytes())}`,
      );
      const away = frame(family, [a, remotePod], { src: macs.stranger, dst: macs.stranger });
      assert.equal(
        outcome("from_overlay", fromRemote(family).tcp(segment)),
        `refuse 133\n${text(away.tcp(reset).bytes())}`,
      );
    });

    test(`IPv${family}: says unreachable to the rest, and to TCP where it shall`, () => {
      for (const response of ["rst", "icmp"] as const) {
        refusing(response);
        const packet =
          response === "icmp"
            ? fromA(family, remotePod).tcp(segment)
            : fromA(family, remotePod).udp({ sport: 5000, dport: 53, payload: "a question" });
        // The IP header and twenty bytes, or, where there are fewer, eight (RFC 792).
        const header = family === 4 ? 20 : 40;
        const quoted = packet.bytes().subarray(14, 14 + header + (response === "icmp" ? 20 : 8));
        const back = toPod("a", family, [remotePod, a], { ttl: 64, src: macs.here, dst: macs.a });
        const error =
          family === 4
            ? back.icmp({ type: "unreachable", code: 13, payload: quoted })
            : back.icmpv6({ type: "unreachable", code: 1, payload: quoted });
        assert.equal(outcome("from_container", packet), `refuse 133\n${text(error.bytes())}`);
      }
    });

    test(`IPv${family}: never answers a reset or an ICMP error`, () => {
      refusing("rst");
      const rst = fromA(family, remotePod).tcp({ ...segment, flags: "RST" });
      assert.equal(verdict("from_container", rst), "drop 133");
      const flow = fromA(family, remotePod).udp({ sport: 5000, dport: 53 });
      const error = errorAbout(family, flow.bytes().subarray(14));
      assert.equal(verdict("from_overlay", error), "drop 133");
    });
  }

  test("answers as many packets a second and CPU as it may, no more", () => {
    refusing("rst");
    const verdicts = new Set<string>();
    for (let port = 1; port <= 10 * refusalsPerSecond; port++)
      verdicts.add(verdict("from_container", fromA(4, remotePod).tcp({ ...segment, sport: port })));
    assert.deepEqual([...verdicts].toSorted(), ["drop 133", "refuse 133"]);
  });
});

test("a node's packet is told apart by its address where it has an identity of its own", () => {
  const ownIdentity = (2 << 24) | 5;
  const row: IpcacheEntry = {
    prefix: Prefix.parse(`${otherNode[4]}/32`),
    identity: ownIdentity,
    tunnelEndpoint: undefined,
    owner: 9,
    cidrSet: 0,
  };
  maps.writeAddresses([row]);
  slot(slots.aIngress, {
    classes: [{ identity: ownIdentity, class: 1, ignoresCidr: false }],
    rules: [rule({ class: 1 })],
  });
  hold(subjects.a, { ingress: slots.aIngress });
  const packet = frame(4, [otherNode, a], { src: macs.stranger, dst: macs.stranger }).tcp(syn(80));
  const seen = node.try({
    hook: "from_overlay",
    packet: packet.bytes(),
    tunnel: { ...tunnel, vni: 6 },
  });
  assert.equal(seen.verdict, "redirect");
  maps.writeAddresses([{ ...row, identity: 6 }]);
});

test("the node reaches its pods as identity host, which a rule may allow", () => {
  slot(slots.aIngress, {
    classes: [{ identity: 1, class: 1, ignoresCidr: false }],
    rules: [rule({ class: 1 })],
  });
  hold(subjects.a, { ingress: slots.aIngress });
  const probe = frame(4, [nodeAddress, a], { src: macs.here, dst: macs.here }).tcp(syn(80));
  assert.equal(verdict("from_host", probe), "redirect");
  const stranger = frame(4, [remotePod, a], { src: macs.here, dst: macs.here }).tcp(syn(80));
  assert.equal(verdict("from_host", stranger), "drop 133");
});

function worldRow(family: Family, cidrSet: number): IpcacheEntry {
  return {
    prefix: Prefix.host(Address.parse(world[family])),
    identity: 2,
    tunnelEndpoint: undefined,
    owner: 3,
    cidrSet,
  };
}

function remoteRow(family: Family, owner: number): IpcacheEntry {
  return {
    prefix: Prefix.host(Address.parse(remotePod[family])),
    identity: identities.remotePod,
    tunnelEndpoint: Address.parse(otherNode[4]),
    owner,
    cidrSet: 0,
  };
}

function errorAbout(family: Family, quoted: Uint8Array) {
  return family === 4
    ? fromRemote(family).icmp({ type: "unreachable", code: 3, payload: quoted })
    : fromRemote(family).icmpv6({ type: "unreachable", code: 4, payload: quoted });
}
