import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { describePacket, ether, Mac, parsePacket } from "@tsilium/net";
import { PacketSocket, setTxChecksumOffload, Topology } from "./index.ts";

const clientMac = Mac.parse("02:00:00:00:00:01");
const serverMac = Mac.parse("02:00:00:00:00:02");

//  client eth0 10.9.0.1, fd09::1 ---- eth0 10.9.0.2, fd09::2 server
function pair(topology: Topology) {
  const client = topology.netns("client");
  const server = topology.netns("server");
  topology.wire(
    { netns: client, device: "eth0", mac: clientMac, addresses: ["10.9.0.1/24", "fd09::1/64"] },
    {
      netns: server,
      device: "eth0",
      mac: serverMac,
      addresses: ["10.9.0.2/24", "fd09::2/64"],
      mtu: 1400,
    },
  );
  return { client, server };
}

test("two namespaces reach each other over both families, and nothing is left afterwards", async () => {
  const topology = new Topology();
  const { client, server } = pair(topology);
  assert.equal(server.rtnl.links.get("eth0")?.mtu, 1400);
  assert.equal(String(server.rtnl.links.get("eth0")?.mac), String(serverMac));
  for (const [family, address] of [
    ["-4", "10.9.0.2"],
    ["-6", "fd09::2"],
  ] as const) {
    const ping = await client.exec("ping", [family, "-c1", "-W2", address]);
    assert.equal(ping.status, 0, ping.stdout + ping.stderr);
  }
  topology[Symbol.dispose]();
  assert.ok(!existsSync(client.path) && !existsSync(server.path));
});

test("a process started inside dies with its namespace", async () => {
  const topology = new Topology();
  const child = topology.netns("only").spawn("sleep", ["60"]);
  topology[Symbol.dispose]();
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
});

test("frames we build are answered by the kernel, checksums and all", async () => {
  using topology = new Topology();
  const { client, server } = pair(topology);
  using wire = new PacketSocket(client, "eth0");
  setTxChecksumOffload(server, "eth0", "off");
  const link = { src: clientMac, dst: serverMac };
  const rows = [
    {
      send: ether(link)
        .ipv4({ src: "10.9.0.1", dst: "10.9.0.2" })
        .tcp({ sport: 40_000, dport: 9, flags: "SYN" }),
      answer: /tcp 9 -> 40000 RST,ACK seq 0 ack 1/,
    },
    {
      send: ether(link)
        .ipv6({ src: "fd09::1", dst: "fd09::2" })
        .tcp({ sport: 40_000, dport: 9, flags: "SYN" }),
      answer: /tcp 9 -> 40000 RST,ACK seq 0 ack 1/,
    },
    {
      send: ether(link)
        .ipv4({ src: "10.9.0.1", dst: "10.9.0.2" })
        .udp({ sport: 40_000, dport: 9, payload: "odd" }),
      answer: /unreachable code 3/,
    },
    {
      send: ether(link)
        .ipv6({ src: "fd09::1", dst: "fd09::2" })
        .udp({ sport: 40_000, dport: 9, payload: "odd" }),
      answer: /unreachable code 4/,
    },
    {
      send: ether(link)
        .ipv6({ src: "fd09::1", dst: "fd09::2" })
        .icmpv6({ type: "echo-request", id: 5, sequence: 6, payload: "x" }),
      answer: /echo-reply id 5 seq 6/,
    },
  ];
  for (const { send, answer } of rows) {
    wire.send(send.bytes());
    const frame = await wire.receive((bytes) => answer.test(describePacket(parsePacket(bytes))));
    assert.doesNotMatch(describePacket(parsePacket(frame)), /BAD CHECKSUM/);
  }
});
