import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cutIntoFragments,
  describePacket,
  ether,
  formatPacket,
  internetChecksum,
  ipv4,
  ipv6,
  parsePacket,
  type PacketBuilder,
} from "../index.ts";
import { crc32c } from "./crc32c.ts";

const macs = { src: "02:00:00:00:00:01", dst: "02:00:00:00:00:02" };
const v4 = { src: "10.0.0.1", dst: "10.0.0.2" };
const v6 = { src: "fd00::1", dst: "fd00::2" };

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const line = (packet: PacketBuilder) => formatPacket(parsePacket(packet.bytes()));

test("an IPv4 header's checksum is the textbook's", () => {
  // 192.168.0.1 -> 192.168.0.199, UDP, 115 bytes, DF: the example everybody uses; checksum b861.
  const header = ipv4({
    src: "192.168.0.1",
    dst: "192.168.0.199",
    dontFragment: true,
    protocol: 17,
  })
    .payload(new Uint8Array(95))
    .bytes()
    .subarray(0, 20);
  assert.equal(hex(header), "450000730000400040" + "11b861c0a80001c0a800c7");
});

test("a checksum over an odd number of bytes counts the last as a high half", () => {
  assert.equal(internetChecksum(Uint8Array.of(0x12, 0x34, 0x56)), ~(0x1234 + 0x5600) & 0xffff);
});

test("every packet we can write reads back as one line", () => {
  const rows: [PacketBuilder, string][] = [
    [
      ether(macs).ipv4(v4).tcp({ sport: 4000, dport: 80, flags: "SYN" }),
      "10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN",
    ],
    [
      ether(macs)
        .ipv6(v6)
        .tcp({ sport: 4000, dport: 80, flags: ["PSH", "ACK"], payload: "hi" }),
      "[fd00::1]:4000 -> [fd00::2]:80 tcp PSH,ACK",
    ],
    [ether(macs).ipv4(v4).udp({ sport: 1, dport: 53 }), "10.0.0.1:1 -> 10.0.0.2:53 udp"],
    [
      ether(macs).ipv4(v4).icmp({ type: "echo-request", id: 7, sequence: 1 }),
      "10.0.0.1 -> 10.0.0.2 icmp echo-request id 7 seq 1",
    ],
    [
      ether(macs).ipv6(v6).icmpv6({ type: "echo-reply", id: 7, sequence: 1 }),
      "fd00::1 -> fd00::2 icmpv6 echo-reply id 7 seq 1",
    ],
    [
      ether(macs)
        .ipv4(v4)
        .icmp({
          type: "unreachable",
          code: 4,
          mtu: 1400,
          payload: ipv4({ src: v4.dst, dst: v4.src }).udp({ sport: 53, dport: 1 }).bytes(),
        }),
      "10.0.0.1 -> 10.0.0.2 icmp unreachable code 4 mtu 1400 about (10.0.0.2:53 -> 10.0.0.1:1 udp)",
    ],
    [
      ether(macs)
        .ipv6(v6)
        .icmpv6({
          type: "packet-too-big",
          mtu: 1280,
          payload: ipv6({ src: v6.dst, dst: v6.src }).udp({ sport: 53, dport: 1 }).bytes(),
        }),
      "fd00::1 -> fd00::2 icmpv6 packet-too-big mtu 1280 about ([fd00::2]:53 -> [fd00::1]:1 udp)",
    ],
    [
      ether(macs)
        .ipv6(v6)
        .icmpv6({ type: "neighbour-solicitation", target: "fd00::9", linkLayer: macs.src }),
      "fd00::1 -> fd00::2 icmpv6 neighbour-solicitation target fd00::9 at 02:00:00:00:00:01",
    ],
    [
      ether(macs).arp({
        operation: "request",
        senderMac: macs.src,
        sender: v4.src,
        target: v4.dst,
      }),
      "arp who has 10.0.0.2? tell 10.0.0.1",
    ],
    [
      ether(macs).vlan({ id: 5 }).ipv4(v4).udp({ sport: 1, dport: 2 }),
      "10.0.0.1:1 -> 10.0.0.2:2 udp",
    ],
    [
      ether(macs)
        .ipv4({ src: "172.18.0.2", dst: "172.18.0.3" })
        .udp({ sport: 999, dport: 8472 })
        .vxlan({ vni: 1234 })
        .ether(macs)
        .ipv6(v6)
        .tcp({ sport: 1, dport: 2, flags: "RST" }),
      "172.18.0.2:999 -> 172.18.0.3:8472 vxlan vni 1234 | [fd00::1]:1 -> [fd00::2]:2 tcp RST",
    ],
    [
      ether(macs)
        .ipv6(v6)
        .extension({ kind: "hop-by-hop" })
        .extension({ kind: "destination" })
        .udp({ sport: 1, dport: 2 }),
      "[fd00::1]:1 -> [fd00::2]:2 udp",
    ],
    [
      ether(macs).ipv6(v6).fragment({ id: 9, offset: 1448, more: true }).payload("later part"),
      "fd00::1 -> fd00::2 none fragment id 9 at 1448+",
    ],
    [
      ether(macs)
        .ipv4({ ...v4, protocol: 50 })
        .payload("x"),
      "10.0.0.1 -> 10.0.0.2 esp",
    ],
    [
      ether(macs).ipv4(v4).ipv6(v6).tcp({ sport: 1, dport: 2, flags: "SYN" }),
      "10.0.0.1 -> 10.0.0.2 ipv6 | [fd00::1]:1 -> [fd00::2]:2 tcp SYN",
    ],
    [ether(macs).ipv4(v4).sctp({ sport: 9, dport: 132 }), "10.0.0.1:9 -> 10.0.0.2:132 sctp"],
    [ether({ ...macs, type: 0x88cc }), "02:00:00:00:00:01 -> 02:00:00:00:00:02 ethertype 0x88cc"],
  ];
  for (const [packet, expected] of rows) assert.equal(line(packet), expected);
});

test("the full description names every header and marks wrong checksums", () => {
  const packet = ether(macs)
    .ipv4({ ...v4, ttl: 63, dontFragment: true, checksum: 1 })
    .tcp({ sport: 4000, dport: 80, seq: 5, flags: "ACK", payload: "hello", checksum: 2 });
  assert.equal(
    describePacket(parsePacket(packet.bytes())),
    [
      "ether 02:00:00:00:00:01 -> 02:00:00:00:00:02",
      "ipv4 10.0.0.1 -> 10.0.0.2 ttl 63 df BAD CHECKSUM",
      "tcp 4000 -> 80 ACK seq 5 ack 0 BAD CHECKSUM",
      "payload 5 bytes",
    ].join("\n"),
  );
});

test("the full description has IPv4's options, and IPv6's of destination options headers", () => {
  const options = Uint8Array.of(0x9a, 8, 0, 80, 10, 96, 0, 10);
  const lineOf = (packet: PacketBuilder) =>
    describePacket(parsePacket(packet.udp({ sport: 1, dport: 2 }).bytes())).split("\n")[1];
  assert.equal(
    lineOf(ether(macs).ipv4({ ...v4, options })),
    "ipv4 10.0.0.1 -> 10.0.0.2 ttl 64 options 9a0800500a60000a",
  );
  assert.equal(
    lineOf(ether(macs).ipv6(v6).extension({ kind: "hop-by-hop" })),
    "ipv6 fd00::1 -> fd00::2 ttl 64 +hopByHop",
  );
  assert.equal(
    lineOf(ether(macs).ipv6(v6).extension({ kind: "destination" })),
    "ipv6 fd00::1 -> fd00::2 ttl 64 +destinationOptions options 010400000000",
  );
});

test("SCTP's checksum is CRC-32C, and is checked", () => {
  const packet = (fields: { readonly checksum?: number }) =>
    describePacket(
      parsePacket(
        ether(macs)
          .ipv4(v4)
          // The check value that every catalogue of CRCs gives is over these digits.
          .sctp({ sport: 0x3132, dport: 0x3334, tag: 0x35363738, chunks: "9", ...fields })
          .bytes(),
      ),
    ).split("\n")[2];
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  assert.equal(packet({}), "sctp 12594 -> 13108 tag 892745528");
  assert.equal(packet({ checksum: 7 }), "sctp 12594 -> 13108 tag 892745528 BAD CHECKSUM");
});

test("checksums come out right in every nesting", () => {
  const inner = ether(macs).ipv6(v6).udp({ sport: 1, dport: 2, payload: "odd" });
  const packet = parsePacket(
    ether(macs)
      .ipv4(v4)
      .udp({ sport: 9, dport: 4789 })
      .vxlan({ vni: 1 })
      .payload(inner.bytes())
      .bytes(),
  );
  assert.equal(packet.ip?.checksum, "ok");
  assert.equal(packet.udp?.checksum, "ok");
  assert.equal(packet.vxlan?.inner.udp?.checksum, "ok");
  const none = parsePacket(ether(macs).ipv4(v4).udp({ sport: 9, dport: 9, checksum: 0 }).bytes());
  assert.equal(none.udp?.checksum, "none");
});

test("fragments add up to the packet they were cut from", () => {
  for (const whole of [
    ether(macs)
      .ipv4({ ...v4, id: 1 })
      .udp({ sport: 1, dport: 2, payload: "x".repeat(3000) }),
    ether(macs)
      .ipv6(v6)
      .udp({ sport: 1, dport: 2, payload: "x".repeat(3000) }),
  ]) {
    const fragments = cutIntoFragments(whole.bytes(), { size: 1001, id: 77 }).map((fragment) =>
      parsePacket(fragment),
    );
    assert.deepEqual(
      fragments.map(({ ip }) => ip?.fragment),
      [
        { id: 77, offset: 0, more: true },
        { id: 77, offset: 1000, more: true },
        { id: 77, offset: 2000, more: true },
        { id: 77, offset: 3000, more: false },
      ],
    );
    assert.equal(fragments[0]?.udp?.sourcePort, 1);
    assert.equal(fragments[1]?.udp, undefined, "a later fragment has no ports");
    const carried = fragments.map(({ payload }) => payload.length).reduce((a, b) => a + b);
    assert.equal(carried, 3000);
    assert.ok(fragments.every(({ ip }) => ip?.checksum !== "bad"));
  }
});

test("a packet cut short by the capture is truncated, not malformed", () => {
  const whole = ether(macs)
    .ipv4(v4)
    .tcp({ sport: 1, dport: 2, payload: "x".repeat(500) })
    .bytes();
  const packet = parsePacket(whole.subarray(0, 128));
  assert.equal(packet.truncated, true);
  assert.equal(packet.error, undefined);
  assert.equal(packet.tcp?.checksum, "unknown");
});

test("malformed packets say what is wrong and keep what was understood", () => {
  const good = ether(macs).ipv4(v4).tcp({ sport: 1, dport: 2 }).bytes();
  const spoilt = (at: number, value: number) => {
    const bytes = Uint8Array.from(good);
    bytes[at] = value;
    return parsePacket(bytes);
  };
  assert.equal(parsePacket(good.subarray(0, 10)).error, "shorter than an Ethernet header");
  assert.equal(spoilt(14, 0x55).error, "not an IP version");
  assert.equal(spoilt(14, 0x44).error, "IPv4 header length 16");
  assert.equal(spoilt(17, 19).error, "IPv4 total length 19");
  assert.equal(spoilt(46, 0x10).error, "TCP header length 4");
  assert.equal(spoilt(46, 0x10).tcp?.destinationPort, 2);
  const cutExtension = ether(macs)
    .ipv6({ ...v6, protocol: 0 })
    .payload(Uint8Array.of(6, 9, 0, 0, 0, 0, 0, 0));
  assert.equal(parsePacket(cutExtension.bytes()).error, "IPv6 extension header 0 is cut off");
});

test("quotes within quotes end before the stack does", () => {
  let packet = ipv4(v4).icmp({ type: "unreachable" });
  for (let depth = 0; depth < 2000; depth++)
    packet = ipv4(v4).icmp({ type: "unreachable", payload: packet.bytes().subarray(0, 65_000) });
  assert.match(formatPacket(parsePacket(packet.bytes(), { start: "ip" })), /nested too deep/);
});
