// Codecs without a kernel: what is written reads back the same, and foreign bytes are survived.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Mac, Prefix } from "@tsilium/net";
import { repeat, type Random } from "@tsilium/testkit";
import { decodeAddress, encodeAddress, type InterfaceAddress } from "./address-codec.ts";
import { AttributeWriter, readAttributes, text, u32 } from "./attributes.ts";
import { decodeLink, encodeLink } from "./link-codec.ts";
import { decodeAcknowledgement, decodeMessages, encodeMessage } from "./message.ts";
import { decodeEvent } from "./monitor.ts";
import { decodeNeighbour, encodeNeighbour, type Neighbour } from "./neighbour-codec.ts";
import { decodeQdisc, encodeQdisc } from "./qdiscs.ts";
import { decodeRoute, encodeRoute, withoutUndefined, type Route } from "./route-codec.ts";
import { decodeRule, encodeRule, type Rule } from "./rule-codec.ts";

const randomAddress = (random: Random, family: 4 | 6) =>
  Address.fromBytes(random.bytes(family === 4 ? 4 : 16));
const randomPrefix = (random: Random, family: 4 | 6) =>
  Prefix.of(randomAddress(random, family), random.below(family === 4 ? 33 : 129), { mask: true });
const maybe = <T>(random: Random, make: () => T): T | undefined =>
  random.chance(0.5) ? make() : undefined;

test("attributes nest, pad and read back", () => {
  const bytes = new AttributeWriter()
    .text(3, "eth0")
    .nested(18, (info) => info.text(1, "veth").nested(2, (data) => data.u32(7, 42)))
    .u8(9, undefined)
    .bytes();
  assert.equal(bytes.length % 4, 0);
  const outer = readAttributes(bytes);
  assert.deepEqual([...outer.keys()], [3, 18], "an undefined value writes nothing");
  assert.equal(text(outer.get(3)), "eth0");
  const info = readAttributes(outer.get(18));
  assert.equal(text(info.get(1)), "veth");
  assert.equal(u32(readAttributes(info.get(2)).get(7)), 42);
});

test("a message has its length, and a broken length ends the walk", () => {
  const one = encodeMessage({ type: 16, flags: 5, sequence: 7, payload: Uint8Array.of(1, 2, 3) });
  assert.equal(one.length, 20);
  const two = Uint8Array.from([...one, ...one]);
  assert.deepEqual(
    [...decodeMessages(two)].map(({ type, flags, sequence, payload }) => [
      type,
      flags,
      sequence,
      ...payload,
    ]),
    [
      [16, 5, 7, 1, 2, 3],
      [16, 5, 7, 1, 2, 3],
    ],
  );
  two[20] = 255;
  assert.equal([...decodeMessages(two)].length, 1);
});

test("an acknowledgement carries the kernel's own words", () => {
  const payload = Buffer.concat([
    Buffer.from(new Int32Array([-17]).buffer),
    Buffer.alloc(16),
    new AttributeWriter().text(1, "already there").bytes(),
  ]);
  const capped = { type: 2, flags: 0x300, sequence: 1, payload };
  assert.deepEqual(decodeAcknowledgement(capped), { errno: 17, detail: "already there" });
});

test("a link reads back as it was written", () => {
  const bytes = encodeLink({
    index: 7,
    name: "tsi_vxlan",
    mac: Mac.parse("02:00:00:00:00:01"),
    mtu: 1450,
    up: true,
    noArp: true,
    addrGenMode: "none",
    alias: "overlay",
    kind: {
      type: "vxlan",
      id: 0,
      port: 8472,
      collectMetadata: true,
      learning: false,
      udpChecksum: false,
      zeroChecksum6Send: true,
      zeroChecksum6Receive: false,
      local: Address.parse("fd00::1"),
      sourcePorts: [1000, 2000],
    },
  });
  const { index, name, mac, mtu, up, noArp, addrGenMode, alias, kind } = decodeLink(bytes) ?? {};
  assert.deepEqual(
    [index, name, `${mac}`, mtu, up, noArp, addrGenMode, alias],
    [7, "tsi_vxlan", "02:00:00:00:00:01", 1450, true, true, "none", "overlay"],
  );
  assert.deepEqual(kind, {
    type: "vxlan",
    id: 0,
    port: 8472,
    collectMetadata: true,
    learning: false,
    udpChecksum: false,
    zeroChecksum6Send: true,
    zeroChecksum6Receive: false,
    local: Address.parse("fd00::1"),
    sourcePorts: [1000, 2000],
  });
});

test("a bridge's word about a port is no news of a link", () => {
  const bytes = encodeLink({ index: 7, name: "port" });
  bytes[0] = 7; // AF_BRIDGE
  assert.equal(decodeLink(bytes), undefined);
});

test("addresses, routes, neighbours, rules and qdiscs read back as they were written", () => {
  repeat({ runs: 1000 }, (random) => {
    const family = random.pick([4, 6] as const);
    const address = randomAddress(random, family);
    const row: InterfaceAddress = {
      device: random.below(1000),
      address,
      length: random.below(33),
      scope: random.pick(["universe", "link", "host", "scope-7"]),
      noDad: random.chance(0.5),
      noPrefixRoute: random.chance(0.5),
      tentative: false,
      dadFailed: false,
      deprecated: random.chance(0.5),
      permanent: true,
      ...withoutUndefined({ label: maybe(random, () => "eth0:1") }),
    };
    assert.deepEqual(decodeAddress(encodeAddress(row)), row);

    const route: Route = {
      destination: randomPrefix(random, family),
      table: random.pick([254, 255, 2004, 70_000]),
      scope: random.pick(["universe", "link", "nowhere"]),
      type: random.pick(["unicast", "local", "blackhole"]),
      protocol: random.below(256),
      onlink: random.chance(0.5),
      ...withoutUndefined({
        gateway: maybe(random, () => randomAddress(random, random.pick([family, 6]))),
        device: maybe(random, () => random.below(1000)),
        source: maybe(random, () => randomAddress(random, family)),
        mtu: maybe(random, () => 1400),
        priority: maybe(random, () => 100),
      }),
    };
    assert.deepEqual(decodeRoute(encodeRoute(route)), route);

    const neighbour: Neighbour = {
      device: random.below(1000),
      address,
      state: random.pick(["permanent", "reachable", "failed"]),
      proxy: random.chance(0.5),
      router: random.chance(0.5),
      externallyLearned: random.chance(0.5),
      ...withoutUndefined({ mac: maybe(random, () => Mac.random()) }),
    };
    assert.deepEqual(decodeNeighbour(encodeNeighbour(neighbour)), neighbour);

    const rule: Rule = {
      family,
      priority: random.below(32_768),
      table: random.pick([254, 2005]),
      invert: random.chance(0.5),
      ...withoutUndefined({
        source: maybe(random, () => randomPrefix(random, family)),
        destination: maybe(random, () => randomPrefix(random, family)),
        inputInterface: maybe(random, () => "tsi_host"),
        suppressPrefixLength: maybe(random, () => 0),
      }),
      ...(random.chance(0.5) ? { mark: 0x200, markMask: 0xf00 } : {}),
    };
    assert.deepEqual(decodeRule(encodeRule(rule)), rule);

    const qdisc = {
      device: random.below(1000),
      kind: "clsact",
      handle: 0xffff_0000,
      parent: 0xffff_fff1,
    };
    assert.deepEqual(decodeQdisc(encodeQdisc(qdisc)), qdisc);
  });
});

test("random bytes, and good messages spoilt, never make a decoder throw", () => {
  repeat({ runs: 3000 }, (random) => {
    const types = [16, 17, 20, 21, 24, 25, 28, 29, 32];
    const payload = random.chance(0.3)
      ? random.bytes(random.below(120))
      : random.pick([
          encodeLink({ index: 1, name: "x", kind: { type: "vxlan", id: 3, sourcePorts: [1, 2] } }),
          encodeRoute({
            destination: Prefix.parse("10.0.0.0/8"),
            table: 254,
            scope: "link",
            type: "unicast",
            protocol: 3,
            onlink: false,
            gateway: Address.parse("fd00::1"),
          }),
          encodeRule({
            family: 6,
            priority: 1,
            table: 3,
            invert: false,
            source: Prefix.parse("fd00::/64"),
          }),
        ]);
    for (let count = random.below(5); count > 0; count--)
      if (payload.length > 0) payload[random.below(payload.length)] = random.below(256);
    const sequence = 1;
    for (const message of decodeMessages(
      encodeMessage({ type: random.pick(types), flags: 0, sequence, payload }),
    ))
      decodeEvent(message);
    decodeRule(payload);
    decodeQdisc(payload);
    decodeAcknowledgement({ type: 2, flags: random.below(1024), sequence, payload });
    [...decodeMessages(payload)].forEach(decodeEvent);
  });
});
