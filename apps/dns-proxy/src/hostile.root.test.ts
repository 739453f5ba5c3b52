// What clients, servers and strangers do that mean harm.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Socket } from "node:net";
import { seeded } from "@tsilium/testkit";
import packet from "dns-packet";
import { frame, FrameReader } from "./tcp/frames.ts";
import { type Came, connectTcp, Endpoint } from "./testing/endpoint.ts";
import {
  clientAddress,
  custom,
  dnsmasq,
  listenerPort,
  rulesOf,
  stranger,
  until,
  World,
} from "./testing/world.ts";

const query = (name: string, id: number) =>
  packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type: "A", name }],
  });

function answerTo(bytes: Buffer, address: string, name?: string): Buffer {
  const { id, questions = [] } = packet.decode(bytes);
  const asked = name ?? questions[0]?.name ?? "";
  return packet.encode({
    type: "response",
    id: id ?? 0,
    questions: [{ type: "A", name: asked }],
    answers: [{ type: "A", name: asked, data: address, ttl: 60 }],
  });
}

const goodAnswer = packet.encode({
  type: "response",
  questions: [{ type: "A", name: "web.example.com" }],
  answers: [
    { type: "CNAME", name: "web.example.com", data: "b.example.net", ttl: 60 },
    { type: "A", name: "b.example.net", data: "192.0.2.1", ttl: 60 },
    { type: "A", name: "evil.example.net", data: "203.0.113.66", ttl: 60 },
  ],
});

const edit = (bytes: Buffer, change: (copy: Buffer) => void) => {
  const copy = Buffer.from(bytes);
  change(copy);
  return copy;
};

describe("the DNS proxy, under attack", () => {
  let world: World;
  before(async () => {
    world = await World.create({
      rejectCode: "nameError",
      limits: {
        maxPending: 300,
        maxPendingPerClient: 200,
        maxUpstreamSockets: 64,
        maxConnectionsPerClient: 5,
        queryTimeoutMs: 600,
        // Fairness has a test of its own; here one client asks as fast as it can.
        maxQueriesPerSecondPerClient: 1_000_000,
      },
    });
    await world.startDnsmasq();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    await world.allow({ matchPattern: "*.example.com" });
    await delay(30);
    world.resolved.length = 0;
  });

  const families = [
    ["IPv4", "v4"],
    ["IPv6", "v6"],
  ] as const;

  for (const [family, of] of families)
    test(`answers with another id, source, port or question are not believed, over ${family}`, async () => {
      using server = new Endpoint(world.server, custom[of], 53);
      using otherPort = new Endpoint(world.server, custom[of], 5353);
      using other = new Endpoint(world.server, stranger[of], 53);
      using client = new Endpoint(world.client, clientAddress[of]);
      server.onMessage = ({ bytes, sockaddr }: Came) => {
        const forged = answerTo(bytes, "203.0.113.6");
        const wrongId = edit(forged, (copy) => copy.writeUInt16BE(copy.readUInt16BE(0) ^ 1, 0));
        for (const message of [
          wrongId,
          answerTo(bytes, "203.0.113.6", "w3b.example.com"),
          edit(forged, (copy) => (copy[30] = 28)),
          edit(forged, (copy) => (copy[2] = 0)),
          forged.subarray(0, 11),
          Buffer.alloc(0),
        ])
          server.send(message, sockaddr);
        otherPort.send(forged, sockaddr);
        other.send(forged, sockaddr);
        setTimeout(() => server.send(answerTo(bytes, "192.0.2.50"), sockaddr), 30);
      };
      const before = await world.counters();
      client.send(query("web.example.com", 77), { address: custom[of], port: 53 });
      await until(() => client.came.length > 0);
      await delay(50);
      assert.equal(client.came.length, 1);
      const [{ bytes, from } = assert.fail()] = client.came;
      assert.equal(from, `${custom[of]} 53`);
      const { id, answers = [] } = packet.decode(bytes);
      assert.equal(id, 77);
      assert.deepEqual(
        answers.map((answer) => (answer as { data: unknown }).data),
        ["192.0.2.50"],
      );
      assert.deepEqual(
        world.resolved.map(({ addresses }) => addresses.map(({ address }) => address)),
        [["192.0.2.50"]],
      );
      const counters = await world.counters();
      const more = (name: string) => (counters[name] ?? 0) - (before[name] ?? 0);
      assert.equal(more("unexpectedAnswers") + more("mismatchedAnswers"), 6);
    });

  test("answers that nobody asked for teach nothing, and the port is left after some", async () => {
    using server = new Endpoint(world.server, custom.v4, 53);
    using client = new Endpoint(world.client, clientAddress.v4);
    const ports: string[] = [];
    server.onMessage = ({ bytes, from, sockaddr }) => {
      ports.push(from);
      server.send(answerTo(bytes, "192.0.2.60"), sockaddr);
      // The same once more is an answer to nothing.
      for (let count = 0; count < 10; count++)
        server.send(answerTo(bytes, "203.0.113.7"), sockaddr);
    };
    for (let round = 0; round < 3; round++) {
      client.send(query("web.example.com", round), { address: custom.v4, port: 53 });
      await until(() => client.came.length === round + 1);
      await delay(20);
    }
    assert.equal(new Set(ports).size, 3);
    const told = world.resolved.flatMap(({ addresses }) => addresses.map(({ address }) => address));
    assert.deepEqual(told, ["192.0.2.60"]);
  });

  test("50,000 answers with random bytes changed: it lives, and learns only of names asked", async () => {
    using server = new Endpoint(world.server, custom.v4, 53);
    using client = new Endpoint(world.client, clientAddress.v4);
    const seed = Date.now();
    const random = seeded(seed);
    let changedCount = 0;
    server.onMessage = ({ bytes, sockaddr }) => {
      const good = Buffer.from(goodAnswer);
      bytes.copy(good, 0, 0, 2);
      const changed = Buffer.from(good);
      // The id stays, so that all of it is looked at.
      for (let count = 1 + random.below(4); count > 0; count--)
        changed[2 + random.below(changed.length - 2)] = random.pick([
          0,
          12,
          0xc0,
          0xff,
          random.below(256),
        ]);
      const end = random.chance(0.1) ? random.below(changed.length) : changed.length;
      server.send(changed.subarray(0, end), sockaddr);
      changedCount++;
      // What was no answer left the question open.
      server.send(good, sockaddr);
    };
    for (let round = 0; round < 500; round++) {
      for (let id = 0; id < 100; id++)
        client.send(query("web.example.com", id), { address: custom.v4, port: 53 });
      await until(
        () => client.came.length === 100,
        () => `seed ${seed}, round ${round}: ${client.came.length} answers`,
      );
      client.came.length = 0;
    }
    assert.equal(changedCount, 50_000);
    assert.equal(world.proxy?.exitCode, null, `seed ${seed}`);
    const counters = await world.counters();
    for (const name of ["unexpectedAnswers", "mismatchedAnswers", "malformedAnswers"])
      assert.ok((counters[name] ?? 0) > 1_000, `${name}: ${counters[name]}`);
    for (const { name, aliases } of world.resolved) {
      assert.equal(name, "web.example.com", `seed ${seed}`);
      assert.ok(aliases.length <= 1, `seed ${seed}: ${aliases.join(", ")}`);
    }
  });

  test("a client that floods has its share, and others theirs", async () => {
    using silent = new Endpoint(world.server, custom.v4, 53);
    using client = new Endpoint(world.client, clientAddress.v4);
    const before = await world.counters();
    for (let index = 0; index < 250; index++) {
      client.send(query("web.example.com", index), { address: custom.v4, port: 53 });
      if (index % 50 === 49) await delay(5);
    }
    await until(() => client.came.length === 50 && silent.came.length === 200);
    for (const { bytes } of client.came) assert.equal((bytes[3] as number) & 15, 2);
    const other = await world.dig("-b", "10.9.1.3", "web.example.com", `@${dnsmasq.v4}`);
    assert.ok(other.includes("192.0.2.1"), other);
    await delay(1_300);
    const after = await world.counters();
    assert.equal((after["timeouts"] ?? 0) - (before["timeouts"] ?? 0), 200);
    assert.equal(after["pendingQueries"], 0);
    assert.ok((await world.dig("web.example.com", `@${dnsmasq.v4}`)).includes("192.0.2.1"));
  });

  test("a client that asks ever more servers does not take all sockets", async () => {
    using client = new Endpoint(world.client, clientAddress.v4);
    for (let index = 0; index < 40; index++)
      client.send(query("web.example.com", index), { address: `10.9.3.${index + 1}`, port: 53 });
    await delay(100);
    const counters = await world.counters();
    assert.ok(
      (counters["upstreamSockets"] ?? 99) <= 8 + 2,
      `${counters["upstreamSockets"]} sockets`,
    );
    const other = await world.dig("-b", "10.9.1.3", "web.example.com", `@${dnsmasq.v4}`);
    assert.ok(other.includes("192.0.2.1"), other);
  });

  test("a denied name does not exist, when that is how it is to be told", async () => {
    assert.match(await world.dig("other.test", `@${dnsmasq.v4}`), /status: NXDOMAIN/);
    assert.match(await world.dig("+tcp", "other.test", `@${dnsmasq.v6}`), /status: NXDOMAIN/);
  });

  /** A connection as a client's, whose answers are collected. */
  function open(
    address: string,
    from: string,
  ): { socket: Socket; answers: Buffer[]; port: () => number } {
    const socket = connectTcp(world.client, from, address);
    const reader = new FrameReader();
    const answers: Buffer[] = [];
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => answers.push(...(reader.push(chunk) ?? [])));
    return { socket, answers, port: () => socket.localPort ?? 0 };
  }
  const codes = (answers: readonly Buffer[]) =>
    answers.map((bytes) => [bytes.readUInt16BE(0), (bytes[3] as number) & 15]);

  for (const [family, of] of families)
    test(`a connection is held to other rules from its next query on when it is moved, over ${family}`, async () => {
      const { socket, answers, port } = open(dnsmasq[of], clientAddress[of]);
      const ask = async (name: string, id: number) => {
        socket.write(frame(query(name, id)));
        await until(() => answers.length === id);
      };
      await ask("web.example.com", 1);
      await ask("other.test", 2);
      const next = rulesOf(10_645, [{ matchName: "nothing.test" }]);
      await world.agent?.apply({ whole: false, listeners: [next], removed: [] });
      const ends = {
        protocol: 6,
        client: { address: clientAddress[of], port: port() },
        server: { address: dnsmasq[of], port: 53 },
        from: listenerPort,
      };
      await world.agent?.move([{ ...ends, to: 10_645 }]);
      await ask("web.example.com", 3);
      await world.agent?.move([{ ...ends, to: 0 }]);
      await ask("other.test", 4);
      // Rules that are not there (any more) let nothing through.
      await world.agent?.move([{ ...ends, to: 10_646 }]);
      await ask("web.example.com", 5);
      await world.agent?.move([{ ...ends, to: listenerPort }]);
      await ask("web.example.com", 6);
      await world.agent?.apply({ whole: false, listeners: [], removed: [listenerPort] });
      await ask("web.example.com", 7);
      assert.deepEqual(codes(answers), [
        [1, 0],
        [2, 3],
        [3, 3],
        // Let through: dnsmasq itself refuses what it does not know.
        [4, 5],
        [5, 3],
        [6, 0],
        [7, 3],
      ]);
      socket.destroy();
    });

  test("a connection that comes after its move, or after that of one with its ends, is reset", async () => {
    const client = { address: clientAddress.v4, port: 21_007 };
    const server = { address: dnsmasq.v4, port: 53 };
    await world.agent?.move([{ protocol: 6, client, server, from: listenerPort, to: 0 }]);
    const own = ["-b", `${client.address}#${client.port}`];
    const ask = () => world.dig("+tcp", "+tries=1", ...own, "other.test", `@${dnsmasq.v4}`);
    assert.match(await ask(), /reset|end of file/);
    assert.match(await ask(), /status: NXDOMAIN/);
  });

  test("connections beyond a client's share are closed, idle and odd ones too", async () => {
    const opened = Array.from({ length: 8 }, () => open(dnsmasq.v4, clientAddress.v4));
    await until(() => opened.filter(({ socket }) => socket.closed).length === 3);
    const [first, second, third] = opened.filter(({ socket }) => !socket.closed);
    assert.ok(first && second && third);
    // Not a query at all; one with a length that no query has.
    first.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    second.socket.write(frame(edit(query("web.example.com", 1), (bytes) => (bytes[2] = 0x80))));
    third.socket.write(Buffer.from([0, 0, 0, 5, 1, 2, 3, 4, 5]));
    await until(() => [first, second, third].every(({ socket }) => socket.closed));
    for (const { socket } of opened) socket.destroy();
  });

  test("queries in pieces, and many in one piece, are answered all", async () => {
    // (dnsmasq answers a hundred on one connection, and closes it.)
    const { socket, answers } = open(dnsmasq.v6, clientAddress.v6);
    const messages = Array.from({ length: 140 }, (_, id) =>
      frame(query(id % 3 === 0 ? "other.test" : "web.example.com", id)),
    );
    const stream = Buffer.concat(messages);
    for (const byte of stream.subarray(0, 100)) {
      socket.write(Uint8Array.of(byte));
      await delay(0);
    }
    socket.end(stream.subarray(100));
    await until(() => answers.length === 140 && socket.closed);
    for (const [id = 0, code] of codes(answers)) assert.equal(code, id % 3 === 0 ? 3 : 0);
  });
});
