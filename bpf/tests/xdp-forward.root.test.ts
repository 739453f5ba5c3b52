// What XDP does itself: clients of services whose backends are elsewhere, and the answers to them.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ether, parsePacket } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { inner, segment, type Flow } from "./service-world.ts";
import {
  frame,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  world,
  type Family,
} from "./world.ts";
import { beside, links } from "./xdp-netns.ts";
import { XdpNode } from "./xdp-node.ts";
import { around, both, xdpTable, type XdpRow } from "./xdp-table.ts";
import {
  fromClient,
  fromOtherNode,
  lb,
  nodePort,
  podBehindIpv6,
  populate,
  sentTo,
  tunnelled,
} from "./xdp-world.ts";

const directServices = { ...plainServices, nodePort: true, dsr: "opt" } as const;
const native = new XdpNode({ routingMode: "native" });
const tunnelling = new XdpNode();
const direct = new XdpNode({ routingMode: "native", services: directServices });
const tunnellingDirect = new XdpNode({ services: directServices });
const nodes = [native, tunnelling, direct, tunnellingDirect];
for (const node of nodes) populate(node);
after(() => nodes.forEach((node) => node[Symbol.dispose]()));

const names = ["tcp", "udp"] as const;
type Name = (typeof names)[number];

/** A client of the world, from a port that the node can keep. */
const client = 40_000;
const flow = { sport: client, dport: 80 };
const served = { sport: client, dport: 8080 };
const answer: Flow = { sport: 8080, dport: client, flags: ["SYN", "ACK"] };
const heard: Flow = { ...answer, sport: 80 };

const ask = (family: Family, name: Name, to: Party, how: Flow = flow) =>
  segment(fromClient(family, [world, to]), name, how);

/** Both families and protocols. */
function each(row: (family: Family, name: Name) => XdpRow): XdpRow[] {
  return names.flatMap((name) =>
    both((family) => {
      const { sentence, ...rest } = row(family, name);
      return { sentence: `${name}: ${sentence}`, ...rest };
    }),
  );
}

describe("XDP with native routing", () => {
  xdpTable(
    () => native,
    [
      ...each((family, name) => ({
        sentence: "a client's packet goes to its backend as the node's",
        packet: ask(family, name, lb.pod),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, remotePod]), name, served),
      })),
      ...each((family, name) => ({
        sentence: "and so do those after it",
        before: [ask(family, name, lb.pod)],
        packet: ask(family, name, lb.pod, { ...flow, flags: "ACK", payload: "odd" }),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, remotePod]), name, {
          ...served,
          flags: "ACK",
          payload: "odd",
        }),
      })),
      ...each((family, name) => ({
        sentence: "a node port leads to the same",
        packet: ask(family, name, nodeAddress, { ...flow, dport: nodePort }),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, remotePod]), name, served),
      })),
      ...each((family, name) => ({
        sentence: "a node may be the backend",
        packet: ask(family, name, lb.otherNode),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, otherNode]), name, served),
      })),
      ...each((family, name) => ({
        sentence: "the backend's answer comes from the service",
        before: [ask(family, name, lb.pod)],
        packet: segment(fromOtherNode(family, [remotePod, nodeAddress]), name, answer),
        verdict: "tx",
        out: segment(sentTo("gateway", family, [lb.pod, world]), name, heard),
      })),
      ...each((family, name) => ({
        sentence: "from its node port, if that was asked",
        before: [ask(family, name, nodeAddress, { ...flow, dport: nodePort })],
        packet: segment(fromOtherNode(family, [remotePod, nodeAddress]), name, answer),
        verdict: "tx",
        out: segment(sentTo("gateway", family, [nodeAddress, world]), name, {
          ...heard,
          sport: nodePort,
        }),
      })),
      ...both((family) => ({
        sentence: "the padding of a short frame travels on",
        before: [ask(family, "tcp", lb.pod)],
        packet: padded(ask(family, "tcp", lb.pod, { ...flow, flags: "ACK" }).bytes()),
        verdict: "tx",
        out: padded(
          segment(sentTo("otherNode", family, [nodeAddress, remotePod]), "tcp", {
            ...served,
            flags: "ACK",
          }).bytes(),
        ),
      })),
      ...both((family) => ({
        sentence: "a UDP checksum that comes out as zero is sent as all ones",
        packet: fromClient(family, [world, lb.pod]).udp({ ...flow, payload: toZero(family) }),
        verdict: "tx",
        out: sentTo("otherNode", family, [nodeAddress, remotePod]).udp({
          ...served,
          payload: toZero(family),
          checksum: 0xffff,
        }),
      })),
      {
        sentence: "IPv4: UDP without a checksum stays without",
        packet: fromClient(4, [world, lb.pod]).udp({ ...flow, checksum: 0, payload: "x" }),
        verdict: "tx",
        out: sentTo("otherNode", 4, [nodeAddress, remotePod]).udp({
          ...served,
          checksum: 0,
          payload: "x",
        }),
      },
    ],
  );

  for (const family of [4, 6] as const) {
    test(`IPv${family}: two clients with one port do not get the same, and each its answer`, () => {
      native.tc.reset();
      const others: Party = { 4: "203.0.113.11", 6: "2001:db8:113::11" };
      const ports = [world, others].map((who) => {
        const packet = segment(fromClient(family, [who, lb.pod]), "tcp", { ...flow, sport: 4000 });
        return parsePacket(native.try(packet.bytes()).packet).tcp?.sourcePort ?? 0;
      });
      assert.equal(new Set(ports).size, 2);
      assert.ok(ports.every((port) => port >= 32_768));
      const answered = ports.map((dport) => {
        const packet = segment(fromOtherNode(family, [remotePod, nodeAddress]), "tcp", {
          ...answer,
          dport,
        });
        const { ip, tcp } = parsePacket(native.try(packet.bytes()).packet);
        return `${ip?.destination} ${tcp?.destinationPort} ${tcp?.checksum}`;
      });
      assert.deepEqual(answered, [`${world[family]} 4000 ok`, `${others[family]} 4000 ok`]);
    });
  }
});

describe("XDP between two devices", () => {
  for (const family of [4, 6] as const) {
    test(`IPv${family}: by another device it sends once it has run there`, () => {
      using fresh = new XdpNode({ routingMode: "native" });
      populate(fresh);
      const request = ask(family, "tcp", lb.beside).bytes();
      assert.equal(fresh.try(request).verdict, "pass");
      const link = { src: links.beside, dst: links.eth1 };
      const back = segment(frame(family, [beside, nodeAddress], link), "tcp", answer);
      const there = segment(
        frame(family, [nodeAddress, beside], { src: links.eth1, dst: links.beside, ttl: 63 }),
        "tcp",
        served,
      );
      const home = segment(sentTo("gateway", family, [lb.beside, world]), "tcp", heard);
      assert.equal(fresh.try(back.bytes(), "eth1").verdict, "redirect");
      assert.deepEqual(fresh.try(request), { verdict: "redirect", packet: there.bytes() });
      assert.deepEqual(fresh.try(back.bytes(), "eth1"), {
        verdict: "redirect",
        packet: home.bytes(),
      });
      const overheard = segment(
        fromClient(family, [world, lb.beside], { dst: links.otherNode }),
        "tcp",
        flow,
      );
      assert.equal(fresh.try(overheard.bytes()).verdict, "pass");
    });
  }
});

/** What the tests' ipcache says of the world. */
const worldVni = 2;
const remoteNode = 6;
/** The request as the tunnel carries it: to the backend, from the router, one hop older. */
const carried = (family: Family, pod: Party = remotePod) =>
  frame(family, [router, pod], { src: links.gateway, dst: links.eth0, ttl: 63 });
const reply = (family: Family, name: Name) =>
  segment(inner(family, [remotePod, router]), name, answer);

describe("XDP in tunnel mode", () => {
  xdpTable(
    () => tunnelling,
    [
      ...each((family, name) => ({
        sentence: "a client's packet goes to a pod through the tunnel, as the router's",
        packet: ask(family, name, lb.pod),
        verdict: "tx",
        out: around(segment(carried(family), name, served), { family: 4, vni: worldVni }),
      })),
      ...each((family, name) => ({
        sentence: "also one around which IPv6 is",
        packet: ask(family, name, lb.podBehindIpv6, { ...flow, payload: "odd" }),
        verdict: "tx",
        out: around(segment(carried(family, podBehindIpv6), name, { ...served, payload: "odd" }), {
          family: 6,
          vni: worldVni,
        }),
      })),
      ...each((family, name) => ({
        sentence: "a node that is the backend is reached as itself",
        packet: ask(family, name, lb.otherNode),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, otherNode]), name, served),
      })),
      ...both((family) => ({
        sentence: "a client that is a node is not the world",
        packet: segment(fromOtherNode(family, [otherNode, lb.pod]), "tcp", flow),
        verdict: "tx",
        out: around(
          segment(
            frame(family, [router, remotePod], {
              src: links.otherNode,
              dst: links.eth0,
              ttl: 63,
            }),
            "tcp",
            served,
          ),
          { family: 4, vni: remoteNode },
        ),
      })),
      ...both((family) => ({
        sentence: "padding does not travel",
        before: [ask(family, "tcp", lb.pod)],
        packet: padded(ask(family, "tcp", lb.pod, { ...flow, flags: "ACK" }).bytes()),
        verdict: "tx",
        out: around(segment(carried(family), "tcp", { ...served, flags: "ACK" }), {
          family: 4,
          vni: worldVni,
        }),
      })),
      ...([4, 6] as const).flatMap((family) =>
        // ECN 1 and 2 are seen outside too; 3, congestion that was met, as "able to say so" (2).
        [
          [0xb8, 0],
          [0xb9, 1],
          [0xba, 2],
          [0xbb, 2],
        ].map(([trafficClass = 0, outer = 0]): XdpRow => ({
          sentence: `IPv${family}: of traffic class ${trafficClass} the tunnel shows ${outer}`,
          packet: marked(family, [world, lb.pod], { trafficClass, ttl: 64 }).tcp({
            ...flow,
            flags: "SYN",
          }),
          verdict: "tx",
          out: around(
            marked(family, [router, remotePod], { trafficClass, ttl: 63 }).tcp({
              ...served,
              flags: "SYN",
            }),
            { family: 4, vni: worldVni, trafficClass: outer },
          ),
        })),
      ),
      {
        sentence: "IPv4: UDP without a checksum goes through as it is",
        packet: fromClient(4, [world, lb.pod]).udp({ ...flow, checksum: 0, payload: "x" }),
        verdict: "tx",
        out: around(carried(4).udp({ ...served, checksum: 0, payload: "x" }), {
          family: 4,
          vni: worldVni,
        }),
      },
      ...each((family, name) => ({
        sentence: "a pod's answer comes out of the tunnel and from the service",
        before: [ask(family, name, lb.pod)],
        packet: tunnelled(reply(family, name)),
        verdict: "tx",
        out: segment(sentTo("gateway", family, [lb.pod, world]), name, heard),
      })),
      ...each((family, name) => ({
        sentence: "also out of one around which IPv6 is",
        before: [ask(family, name, lb.pod)],
        packet: tunnelled(reply(family, name), { family: 6 }),
        verdict: "tx",
        out: segment(sentTo("gateway", family, [lb.pod, world]), name, heard),
      })),
      ...each((family, name) => ({
        sentence: "a node's answer comes from the service too",
        before: [ask(family, name, lb.otherNode)],
        packet: segment(fromOtherNode(family, [otherNode, nodeAddress]), name, answer),
        verdict: "tx",
        out: segment(sentTo("gateway", family, [lb.otherNode, world]), name, heard),
      })),
    ],
  );

  for (const family of [4, 6] as const)
    test(`IPv${family}: the checksum around is right whatever is inside`, () => {
      tunnelling.tc.reset();
      let passed = 0;
      repeat({ runs: 600 }, (random) => {
        const payload = random.bytes(random.below(1200));
        const packet = fromClient(family, [world, lb.podBehindIpv6]).udp({ ...flow, payload });
        const { verdict, packet: out } = tunnelling.try(packet.bytes());
        // One checksum in 65536 looks unfinished.
        if (verdict === "pass") return void passed++;
        const wanted = carried(family, podBehindIpv6).udp({ ...served, payload });
        const expected = around(wanted, { family: 6, vni: worldVni })(out).bytes();
        assert.deepEqual(out, expected);
      });
      assert.ok(passed < 3, `${passed} passed`);
    });

  test("a flow's packets take one path through the underlay, and flows several", () => {
    tunnelling.tc.reset();
    const outerPort = (sport: number) =>
      parsePacket(tunnelling.try(ask(4, "udp", lb.pod, { ...flow, sport }).bytes()).packet).udp
        ?.sourcePort ?? 0;
    const ports = Array.from({ length: 200 }, (_, index) => outerPort(client + index));
    assert.deepEqual(
      ports,
      ports.map((_, index) => outerPort(client + index)),
    );
    assert.ok(new Set(ports).size > 190, `${new Set(ports).size} of 200`);
    assert.ok(ports.every((port) => port >= 32_768 && port < 60_999));
  });
});

describe("XDP where pods answer their clients directly", () => {
  const established = { ...flow, flags: "ACK" } as const;
  const toPod = { ...served, flags: "ACK" } as const;

  xdpTable(
    () => direct,
    [
      ...both((family) => ({
        sentence: "what a pod's node is told already goes there as the client's",
        packet: ask(family, "tcp", lb.dsr, established),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [world, remotePod]), "tcp", toPod),
      })),
      ...both((family) => ({
        sentence: "a node as backend would answer as itself, so it is asked as always",
        packet: ask(family, "tcp", lb.dsrOutside),
        verdict: "tx",
        out: segment(sentTo("otherNode", family, [nodeAddress, otherNode]), "tcp", served),
      })),
    ],
  );

  xdpTable(
    () => tunnellingDirect,
    both((family) => ({
      sentence: "also through the tunnel",
      packet: ask(family, "tcp", lb.dsr, established),
      verdict: "tx",
      out: around(
        segment(
          frame(family, [world, remotePod], { src: links.gateway, dst: links.eth0, ttl: 63 }),
          "tcp",
          toPod,
        ),
        { family: 4, vni: worldVni },
      ),
    })),
  );
});

/** As Ethernet makes the shortest frames, and six bytes more that are not zero. */
function padded(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
}

type Marks = { readonly trafficClass: number; readonly ttl: number };

function marked(family: Family, [from, to]: readonly [Party, Party], { trafficClass, ttl }: Marks) {
  const link = ether({ src: links.gateway, dst: links.eth0 });
  const ends = { src: from[family], dst: to[family] };
  return family === 4
    ? link.ipv4({ ...ends, tos: trafficClass, ttl })
    : link.ipv6({ ...ends, trafficClass, hopLimit: ttl });
}

/** Two bytes that take the sum over what leaves to nothing: its checksum without them. */
function toZero(family: Family): Uint8Array {
  const without = sentTo("otherNode", family, [nodeAddress, remotePod])
    .udp({ ...served, payload: Uint8Array.of(0, 0) })
    .bytes();
  const at = family === 4 ? 40 : 60;
  return without.subarray(at, at + 2);
}
