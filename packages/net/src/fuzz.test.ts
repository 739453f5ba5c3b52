// Properties under random input. A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat, type Random } from "@tsilium/testkit";
import { Address4, Address6 } from "ip-address";
import {
  Address,
  describePacket,
  ether,
  formatPacket,
  parsePacket,
  Prefix,
  type PacketBuilder,
} from "./index.ts";

/** An address with runs of zeros, where RFC 5952 gets interesting. */
function randomAddress(random: Random, family: 4 | 6 = random.pick([4, 6])): Address {
  const bytes = random.bytes(family === 4 ? 4 : 16);
  if (family === 6)
    for (let at = 0; at < 16; at += 2) if (random.chance(0.6)) bytes.fill(0, at, at + 2);
  return Address.fromBytes(bytes);
}

const oracle = (text: string) => (text.includes(":") ? new Address6(text) : new Address4(text));

test("addresses read and print as the oracle has them", () => {
  repeat({ runs: 3000 }, (random) => {
    const address = randomAddress(random);
    const text = address.toString();
    assert.ok(Address.parse(text).equals(address));
    assert.equal(oracle(text).bigInt(), address.toBigInt());
    const isMapped = address.family === 6 && text.includes(".");
    if (!isMapped) assert.equal(text, oracle(text).correctForm());
    if (address.family === 6) {
      assert.equal(`${Address.parse(new Address6(text).canonicalForm())}`, text);
    }
    assert.equal(`${Address.fromBigInt(address.toBigInt(), address.family)}`, text);
  });
});

test("text made of address characters is accepted only when it reads back the same", () => {
  repeat({ runs: 5000 }, (random) => {
    const alphabet = random.pick(["0123456789.", "01:af", "0:", "1.:"]);
    const text = Array.from({ length: random.below(24) }, () => random.pick([...alphabet])).join(
      "",
    );
    const address = Address.tryParse(text);
    if (address) assert.ok(Address.parse(address.toString()).equals(address), text);
    if (address?.family === 6) assert.equal(oracle(text).bigInt(), address.toBigInt(), text);
  });
});

test("a prefix contains what the oracle says it contains", () => {
  repeat({ runs: 3000 }, (random) => {
    const address = randomAddress(random);
    const bits = address.bytes.length * 8;
    const prefix = Prefix.of(address, random.below(bits + 1), { mask: true });
    assert.ok(prefix.contains(address));
    const subnet = oracle(prefix.toString());
    assert.equal(prefix.last.toBigInt(), subnet.endAddress().bigInt());
    assert.equal(prefix.first.toBigInt(), subnet.startAddress().bigInt());
    const near = [prefix.first, prefix.last, randomAddress(random, address.family)];
    if (prefix.last.toBigInt() + 1n < 1n << BigInt(bits)) near.push(prefix.last.add(1));
    if (prefix.first.toBigInt() > 0n) near.push(prefix.first.add(-1));
    for (const other of near) {
      const inside =
        other.toBigInt() >= prefix.first.toBigInt() && other.toBigInt() <= prefix.last.toBigInt();
      assert.equal(prefix.contains(other), inside, `${prefix} ${other}`);
    }
    assert.ok(Prefix.parse(prefix.toString()).equals(prefix));
  });
});

test("parsing and printing random bytes never throws", () => {
  repeat({ runs: 5000 }, (random) => {
    const packet = parsePacket(random.bytes(random.below(200)), {
      start: random.pick(["ethernet", "ip"]),
    });
    assert.equal(typeof formatPacket(packet), "string");
    assert.equal(typeof describePacket(packet), "string");
  });
});

/** A packet of random layers, sometimes a packet within a packet. */
function randomPacket(random: Random, depth = 0): PacketBuilder {
  const family = random.pick([4, 6] as const);
  const src = randomAddress(random, family);
  const dst = randomAddress(random, family);
  const frame = ether({ src: "02:00:00:00:00:01", dst: "02:00:00:00:00:02" });
  const tagged = random.chance(0.2) ? frame.vlan({ id: random.below(4096) }) : frame;
  let ip =
    family === 4 ? tagged.ipv4({ src, dst, ttl: random.below(256) }) : tagged.ipv6({ src, dst });
  while (family === 6 && random.chance(0.3))
    ip = ip.extension({ kind: random.pick(["hop-by-hop", "destination", "routing"]) });
  // Below the ports of VXLAN, whose payload would be read as a frame.
  const ports = { sport: random.below(65_536), dport: random.below(4789) };
  const payload = random.bytes(random.below(40));
  switch (random.below(4)) {
    case 0:
      return ip.tcp({ ...ports, flags: random.pick(["SYN", "ACK", "RST"]), payload });
    case 1:
      return ip.udp({ ...ports, payload });
    case 2: {
      const echo = { type: "echo-request", id: 1, sequence: 2, payload } as const;
      return family === 4 ? ip.icmp(echo) : ip.icmpv6(echo);
    }
    default: {
      if (depth > 2) return ip.udp(ports);
      const inner = randomPacket(random, depth + 1).bytes();
      return ip
        .udp({ sport: 1, dport: 8472 })
        .vxlan({ vni: random.below(1 << 24) })
        .payload(inner);
    }
  }
}

test("what we build we parse without error and with right checksums", () => {
  repeat({ runs: 2000 }, (random) => {
    const described = describePacket(parsePacket(randomPacket(random).bytes()));
    assert.doesNotMatch(described, /BAD|error|truncated/, described);
  });
});

test("a good packet with bytes spoilt, cut off or added never makes the parser throw", () => {
  repeat({ runs: 5000 }, (random) => {
    const bytes = randomPacket(random).bytes();
    for (let count = random.below(6); count > 0; count--)
      bytes[random.below(bytes.length)] = random.below(256);
    describePacket(parsePacket(bytes.subarray(0, random.below(bytes.length + 1))));
  });
});
