// The packet reader against the one of @tsilium/net, which is slow and says more; and against bytes that are no packet.
// A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Address,
  ether,
  ipProtocol,
  type PacketBuilder,
  parsePacket,
  type ParsedPacket,
  type TcpFlag,
} from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { PacketReader } from "./packet.ts";
import { tcpFlags } from "./tcp-flags.ts";

const flagNames = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR", "NS"] as const;

function read(bytes: Uint8Array, end = bytes.length): PacketReader {
  const reader = new PacketReader();
  reader.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, end);
  return reader;
}

function addressText(words: readonly number[], family: 4 | 6): string {
  const bytes = new Uint8Array(16);
  words.forEach((word, at) => new DataView(bytes.buffer).setUint32(at * 4, word));
  return Address.fromBytes(family === 4 ? bytes.subarray(12) : bytes).toString();
}

function sourceText(reader: PacketReader): string {
  const { family, source0, source1, source2, source3 } = reader;
  return family === 0 ? "" : addressText([source0, source1, source2, source3], family);
}

function destinationText(reader: PacketReader): string {
  const { family, destination0, destination1, destination2, destination3 } = reader;
  const words = [destination0, destination1, destination2, destination3];
  return family === 0 ? "" : addressText(words, family);
}

/** Whatever the slow one says, the fast one says too; but it looks twice at the version and length of a header. */
function agree(bytes: Uint8Array): void {
  const slow = parsePacket(bytes);
  const fast = read(bytes);
  if (!slow.ip || fast.family === 0) return;
  assert.equal(fast.family, slow.ip.version);
  assert.equal(sourceText(fast), String(slow.ip.source));
  assert.equal(destinationText(fast), String(slow.ip.destination));
  agreeOnLayer4(slow, fast);
}

function agreeOnLayer4({ tcp, udp, sctp, icmp, ip }: ParsedPacket, fast: PacketReader): void {
  const ports = tcp ?? udp ?? sctp;
  if (ports) {
    assert.equal(fast.l4, tcp ? "tcp" : udp ? "udp" : "sctp");
    assert.equal(fast.protocol, ip?.protocol);
    assert.equal(fast.sourcePort, ports.sourcePort);
    assert.equal(fast.destinationPort, ports.destinationPort);
  }
  if (tcp) {
    const { flags } = tcpFlags(fast.tcpFlags);
    const set = Object.entries(flags).flatMap(([name, on]) => (on ? [name.toUpperCase()] : []));
    const known = tcp.flags as readonly string[];
    assert.deepEqual(set.filter((name) => name !== "NS").toSorted(), known.toSorted());
  }
  if (icmp) {
    assert.equal(fast.l4, ip?.version === 4 ? "icmp4" : "icmp6");
    assert.equal(fast.icmpType, icmp.type);
    assert.equal(fast.icmpCode, icmp.code);
  }
}

function randomPacket(random: Random): Uint8Array {
  const family = random.pick([4, 6] as const);
  let packet: PacketBuilder = ether();
  if (random.chance(0.1)) packet = packet.vlan({ id: random.below(4096) });
  const address = () => Address.fromBytes(random.bytes(family === 4 ? 4 : 16)).toString();
  const ends = { src: address(), dst: address() };
  packet = family === 4 ? packet.ipv4(ends) : packet.ipv6(ends);
  while (family === 6 && random.chance(0.3)) {
    const kind = random.pick(["hop-by-hop", "routing", "destination"] as const);
    packet = packet.extension({ kind, body: random.bytes(6 + 8 * random.below(3)) });
  }
  const [sport, dport] = [random.below(65_536), random.below(65_536)];
  const payload = random.bytes(random.below(40));
  switch (random.below(4)) {
    case 0: {
      const flags = flagNames.slice(0, 6).filter(() => random.chance(0.4)) as TcpFlag[];
      return packet.tcp({ sport, dport, flags, payload }).bytes();
    }
    case 1:
      return packet.udp({ sport, dport, payload }).bytes();
    case 2:
      return packet.sctp({ sport, dport }).bytes();
    default:
      return family === 4
        ? packet.icmp({ type: "echo-request" }).bytes()
        : packet.icmpv6({ type: "echo-request" }).bytes();
  }
}

test("every packet reads as the slow reader has it, whole, cut off or damaged", () => {
  repeat({ runs: 3000 }, (random) => {
    const bytes = randomPacket(random);
    agree(bytes);
    agree(bytes.slice(0, random.below(bytes.length + 1)));
    for (let flip = 0; flip < 3; flip++) bytes[random.below(bytes.length)] = random.below(256);
    agree(bytes);
  });
});

test("a whole packet's ports and protocol are found behind whatever headers", () => {
  repeat({ runs: 1000 }, (random) => {
    const { family, l4 } = read(randomPacket(random));
    assert.ok(family !== 0 && l4 !== "");
  });
});

test("nothing beyond the end is looked at", () => {
  repeat({ runs: 2000 }, (random) => {
    const bytes = randomPacket(random);
    const end = random.below(bytes.length + 1);
    const cut = { ...read(bytes.slice(0, end)) };
    const noise = Uint8Array.from([...bytes.subarray(0, end), ...random.bytes(200)]);
    assert.deepEqual({ ...read(noise, end) }, cut);
  });
});

test("random bytes make it neither throw nor loop", () => {
  repeat({ runs: 5000 }, (random) => {
    const bytes = random.bytes(random.below(200));
    // Likelier to get somewhere.
    if (bytes.length > 14)
      bytes.set(
        random.pick([
          [8, 0],
          [0x86, 0xdd],
          [0x81, 0],
        ]),
        12,
      );
    if (bytes.length > 20 && random.chance(0.5)) bytes[14] = random.pick([0x45, 0x4f, 0x60]);
    if (bytes.length > 20 && random.chance(0.5)) bytes[20] = random.pick([0, 43, 44, 51, 60, 6]);
    agree(bytes);
  });
});

test("a later fragment has no ports, a first one has", () => {
  const fragment = (offset: number) =>
    ether()
      .ipv4({ src: "10.0.0.1", dst: "10.0.0.2", protocol: ipProtocol.udp })
      .payload(Uint8Array.of(0, 53, 0, 54, 0, 8, 0, 0))
      .bytes()
      .with(20, offset >> 8)
      .with(21, offset & 0xff);
  assert.equal(read(fragment(0x2000)).destinationPort, 54);
  const later = read(fragment(0x2001));
  assert.deepEqual([later.family, later.l4, later.destinationPort], [4, "", 0]);
});

test("of TCP that is cut off behind the ports, the flags are not known", () => {
  const bytes = ether()
    .ipv4({ src: "10.0.0.1", dst: "10.0.0.2" })
    .tcp({ sport: 1, dport: 2, flags: ["SYN"] })
    .bytes();
  const { l4, sourcePort, tcpFlags: flags } = read(bytes, 14 + 20 + 13);
  assert.deepEqual([l4, sourcePort, flags], ["tcp", 1, -1]);
  assert.equal(read(bytes, 14 + 20 + 14).tcpFlags, 2);
});
