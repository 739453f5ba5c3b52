// The proxy between real clients and servers, redirected to by the kernel's own TPROXY.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import packet from "dns-packet";
import { Endpoint } from "./testing/endpoint.ts";
import {
  clientAddress,
  custom,
  dnsmasq,
  listenerPort,
  rulesOf,
  unbound,
  until,
  World,
} from "./testing/world.ts";

type Dug = { status: string; answers: string[]; flags: string; edns: boolean };

/** The parts of dig's output that say what came. */
function parse(output: string): Dug {
  const answers = /;; ANSWER SECTION:\n([^]*?)\n\n/.exec(output)?.[1]?.split("\n") ?? [];
  return {
    status: /status: (\w+)/.exec(output)?.[1] ?? (/timed out/.test(output) ? "timeout" : output),
    flags: /;; flags: ([a-z ]+);/.exec(output)?.[1] ?? "",
    answers: answers.map((line) => line.split(/\s+/).slice(-1)[0] as string),
    edns: output.includes("EDNS: version: 0"),
  };
}

const query = (name: string, id: number, type: "A" | "AAAA" | "TXT" = "A") =>
  packet.encode({
    type: "query",
    id,
    flags: packet.RECURSION_DESIRED,
    questions: [{ type, name }],
  });

describe("the DNS proxy", () => {
  let world: World;
  before(async () => {
    world = await World.create();
    await world.startUnbound();
    await world.startDnsmasq();
  });
  after(() => world[Symbol.asyncDispose]());
  beforeEach(async () => {
    world.releases = true;
    if (!world.agent) world.startAgent();
    await world.allow({ matchPattern: "*.example.com" });
    // Records come a little later than answers.
    await delay(30);
    world.records.length = 0;
    world.resolved.length = 0;
  });

  const servers = [
    ["unbound", unbound.v4],
    ["unbound", unbound.v6],
    ["dnsmasq", dnsmasq.v4],
    ["dnsmasq", dnsmasq.v6],
  ] as const;
  for (const [name, address] of servers)
    for (const protocol of ["+notcp", "+tcp"])
      test(`allows and denies names, asked of ${name} at ${address}, ${protocol}`, async () => {
        const allowed = parse(await world.dig(protocol, "web.example.com", `@${address}`));
        assert.equal(allowed.status, "NOERROR");
        assert.deepEqual(allowed.answers, ["192.0.2.1"]);
        const six = parse(await world.dig(protocol, "WeB.example.com", "AAAA", `@${address}`));
        assert.deepEqual(six.answers, ["2001:db8::1"]);
        const denied = parse(await world.dig(protocol, "other.test", `@${address}`));
        assert.deepEqual(denied, { status: "REFUSED", answers: [], flags: "qr rd ra", edns: true });
      });

  test("runs as nobody, with CAP_NET_RAW alone, behind files of root's", () => {
    const status = readFileSync(`/proc/${world.proxy?.pid}/status`, "utf8");
    assert.match(status, /^Uid:\t65522\t65522\t65522\t65522$/m);
    assert.match(status, /^CapPrm:\t0000000000002000$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    const socket = statSync(join(world.folder, "control.sock"));
    assert.deepEqual([socket.uid, socket.mode & 0o777], [0, 0o600]);
    assert.equal(statSync(join(world.folder, "state")).mode & 0o777, 0o700);
  });

  test("tells requests and responses with names, addresses, verdicts, latency", async () => {
    await world.dig("alias2.example.com", `@${unbound.v4}`);
    await world.dig("+tcp", "other.test", "TXT", `@${unbound.v6}`);
    await until(() => world.records.length === 3);
    const [request, response, denied] = world.records;
    assert.ok(request && response?.l7.kind === "dns" && denied?.l7.kind === "dns");
    assert.deepEqual(
      { ...request, timeNs: "", client: request.client.address },
      {
        timeNs: "",
        port: listenerPort,
        direction: "egress",
        protocol: 17,
        client: clientAddress.v4,
        server: { address: unbound.v4, port: 53 },
        verdict: "forwarded",
        rule: 1,
        l7: {
          type: 1,
          latencyNs: 0,
          kind: "dns",
          query: "alias2.example.com.",
          ips: [],
          ttl: 0,
          cnames: [],
          observationSource: "proxy",
          rcode: 0,
          qtypes: ["A"],
          rrtypes: [],
        },
      },
    );
    const { latencyNs, ...l7 } = response.l7;
    assert.ok(latencyNs > 1_000 && latencyNs < 1e9);
    assert.deepEqual(l7, {
      type: 2,
      kind: "dns",
      query: "alias2.example.com.",
      ips: ["192.0.2.1"],
      ttl: 20,
      cnames: ["alias.example.com.", "web.example.com."],
      observationSource: "proxy",
      rcode: 0,
      qtypes: ["A"],
      rrtypes: ["CNAME", "A"],
    });
    assert.deepEqual(
      [denied.verdict, denied.rule, denied.protocol, denied.server.address, denied.l7.qtypes],
      ["denied", 99, 6, unbound.v6, ["TXT"]],
    );
    assert.ok(BigInt(response.timeNs) > BigInt(request.timeNs));
    const ageMs = Date.now() - Number(BigInt(request.timeNs) / 1_000_000n);
    assert.ok(ageMs >= 0 && ageMs < 5_000, `${ageMs} ms`);
  });

  test("tells the agent of addresses once, with the client, aliases and the least TTL", async () => {
    for (let round = 0; round < 3; round++)
      await world.dig("alias2.example.com", "AAAA", `@${unbound.v4}`);
    await world.dig("-b", "10.9.1.3", "alias2.example.com", "AAAA", `@${unbound.v4}`);
    const clients = world.resolved.map(({ id, client }) => [id > 0, client]);
    assert.deepEqual(clients, [
      [true, "10.9.1.2"],
      [false, "10.9.1.3"],
    ]);
    const [{ name, aliases, addresses } = assert.fail()] = world.resolved;
    assert.deepEqual(
      { name, aliases, addresses },
      {
        name: "alias2.example.com",
        aliases: ["alias.example.com", "web.example.com"],
        addresses: [{ address: "2001:db8::1", ttlS: 21 }],
      },
    );
  });

  for (const protocol of ["+notcp", "+tcp"])
    test(`a server is not believed in aliases that it may not be asked for, ${protocol}`, async () => {
      world.agent?.forgetNames();
      await world.allow({ matchName: "alias2.example.com" }, { matchName: "web.example.com" });
      const { answers } = parse(await world.dig(protocol, "alias2.example.com", `@${unbound.v4}`));
      assert.deepEqual(answers, ["alias.example.com.", "web.example.com.", "192.0.2.1"]);
      await until(() => world.resolved.length === 1);
      assert.deepEqual(world.resolved[0]?.aliases, ["web.example.com"]);
    });

  test("holds an answer until it is released, no longer than the delay", async () => {
    world.releases = false;
    using client = new Endpoint(world.client, clientAddress.v4);
    // A name of its own: nothing else has made its addresses known.
    const ask = async () => {
      const before = performance.now();
      client.send(query("one0.example.com", 7), { address: unbound.v4, port: 53 });
      await until(() => client.came.length > 0);
      client.came.length = 0;
      return performance.now() - before;
    };
    const held = await ask();
    assert.ok(held >= 95 && held < 1_000, `${held} ms`);
    world.releases = true;
    await ask();
    assert.ok((await ask()) < 95);
  });

  test("sends answers at once while there is no agent, and tells of them when it is back", async () => {
    const before = await world.counters();
    await world.stopAgent();
    await delay(20);
    const output = await world.dig("web.example.com", `@${unbound.v4}`);
    assert.equal(parse(output).status, "NOERROR");
    assert.equal(parse(await world.dig("other.test", `@${unbound.v4}`)).status, "REFUSED");
    assert.equal(world.resolved.length, 0);
    world.startAgent();
    await until(() => world.resolved.length > 0 && world.records.length >= 3);
    assert.deepEqual(
      world.resolved.map(({ id, name }) => [id, name]),
      [[0, "web.example.com"]],
    );
    assert.equal((await world.counters())["heldAnswers"], before["heldAnswers"]);
  });

  test("goes on by the rules it had after kill -9, without an agent", async () => {
    await world.stopAgent();
    await world.killProxy();
    assert.equal(
      parse(await world.dig("+time=1", "web.example.com", `@${unbound.v4}`)).status,
      "timeout",
    );
    const before = performance.now();
    await world.startProxy();
    assert.ok(performance.now() - before < 3_000);
    for (const protocol of ["+notcp", "+tcp"]) {
      const allowed = parse(await world.dig(protocol, "web.example.com", `@${unbound.v6}`));
      assert.equal(allowed.status, "NOERROR");
      const denied = parse(await world.dig(protocol, "other.test", `@${unbound.v6}`));
      assert.equal(denied.status, "REFUSED");
    }
  });

  test("carries large answers over UDP as EDNS allows, or cut, and whole over TCP", async () => {
    const at = `@${unbound.v4}`;
    const large = await world.dig(
      "+bufsize=8192",
      "+ignore",
      "+notcp",
      "big.example.com",
      "TXT",
      at,
    );
    assert.equal(parse(large).answers.length, 30);
    assert.match(large, /SERVER: 10\.9\.2\.2#53\(10\.9\.2\.2\) \(UDP\)|SERVER: 10\.9\.2\.2#53/);
    const six = await world.dig(
      "+bufsize=8192",
      "+ignore",
      "+notcp",
      "big.example.com",
      "TXT",
      `@${unbound.v6}`,
    );
    assert.equal(parse(six).answers.length, 30);
    const cut = await world.dig("+noedns", "+ignore", "+notcp", "big.example.com", "TXT", at);
    assert.match(parse(cut).flags, /tc/);
    assert.equal(
      parse(await world.dig("+noedns", "big.example.com", "TXT", at)).answers.length,
      30,
    );
    world.resolved.length = 0;
    const cutAddresses = parse(
      await world.dig("+noedns", "+ignore", "+notcp", "many.example.com", "-b", "10.9.1.3", at),
    );
    assert.match(cutAddresses.flags, /tc/);
    // Some resolvers take what is left for all there is.
    assert.deepEqual(
      world.resolved.flatMap(({ addresses }) => addresses.map(({ address }) => address)).sort(),
      cutAddresses.answers.sort(),
    );
    assert.equal(parse(await world.dig("+tcp", "many.example.com", at)).answers.length, 60);
  });

  test("several queries on one connection are answered each by its rule", async () => {
    const names = [
      "web.example.com",
      "other.test",
      "alias.example.com",
      "big.example.com",
      "x.test",
    ];
    const args = names.flatMap((name) => [name, "+tcp", "+keepopen"]);
    const output = await world.dig(`@${unbound.v4}`, ...args);
    const statuses = [...output.matchAll(/status: (\w+)/g)].map(([, status]) => status);
    assert.deepEqual(statuses, ["NOERROR", "REFUSED", "NOERROR", "NOERROR", "REFUSED"]);
  });

  test("many queries at once on one socket get each its own answer, byte for byte", async () => {
    using server = new Endpoint(world.server, custom.v6, 53);
    using client = new Endpoint(world.client, clientAddress.v6);
    const sent = new Map<string, Buffer>();
    const waiting: (() => void)[] = [];
    server.onMessage = ({ bytes, sockaddr }) => {
      const { questions = [] } = packet.decode(bytes);
      const answer = packet.encode({
        type: "response",
        id: bytes.readUInt16BE(0),
        flags: packet.AUTHORITATIVE_ANSWER,
        questions,
        answers: [{ type: "TXT", name: "n.example.com", data: questions[0]?.name ?? "" }],
      });
      sent.set(questions[0]?.name ?? "", answer);
      waiting.push(() => server.send(answer, sockaddr));
    };
    // The same id for all, and 0x20 in names: what comes back must be what was asked.
    for (let index = 0; index < 200; index++)
      client.send(query(`n${index}.ExAmPlE.com`, 7, "TXT"), { address: custom.v6, port: 53 });
    await until(() => waiting.length === 200);
    assert.equal(new Set([...sent.values()].map((bytes) => bytes.readUInt16BE(0))).size, 200);
    for (const answer of waiting.toReversed()) answer();
    await until(() => client.came.length === 200);
    for (const { bytes, from } of client.came) {
      assert.equal(from, `${custom.v6} 53`);
      const name = packet.decode(bytes).questions?.[0]?.name ?? "";
      assert.match(name, /^n\d+\.ExAmPlE\.com$/);
      const original = Buffer.from(sent.get(name) ?? assert.fail());
      original.writeUInt16BE(7, 0);
      assert.deepEqual(bytes, original);
    }
  });

  test("what is no plain query is refused, and never forwarded", async () => {
    using server = new Endpoint(world.server, custom.v4, 53);
    using client = new Endpoint(world.client, clientAddress.v4);
    const edit = (change: (bytes: Buffer) => void) => {
      const bytes = query("web.example.com", 9);
      change(bytes);
      return bytes;
    };
    const end = query("web.example.com", 9).length;
    const messages = [
      edit((bytes) => (bytes[2] = 0x28)),
      edit((bytes) => (bytes[2] = 0x20)),
      edit((bytes) => (bytes[end - 1] = 3)),
      edit((bytes) => (bytes[5] = 2)),
      Buffer.concat([edit(() => {}), Buffer.from([0])]),
      edit((bytes) => (bytes[2] = 0x81)),
      Buffer.alloc(5),
      Buffer.alloc(5_000),
    ];
    for (const bytes of messages) client.send(bytes, { address: custom.v4, port: 53 });
    await until(() => client.came.length === 5);
    await delay(30);
    assert.deepEqual(
      client.came.map(({ bytes }) => [
        bytes.readUInt16BE(0),
        (bytes[2] as number) >> 7,
        (bytes[3] as number) & 15,
      ]),
      [
        [9, 1, 5],
        [9, 1, 5],
        [9, 1, 5],
        [9, 1, 1],
        [9, 1, 1],
      ],
    );
    assert.deepEqual(server.came, []);
  });

  test("a change of rules holds from the next query on, on connections too", async () => {
    using server = new Endpoint(world.server, custom.v4, 53);
    server.onMessage = ({ bytes, sockaddr }) => {
      bytes[2] = 0x81;
      server.send(bytes, sockaddr);
    };
    using client = new Endpoint(world.client, clientAddress.v4);
    for (let round = 0; round < 100; round++) {
      const allowed = round % 2 === 0;
      await world.allow({ matchName: allowed ? "web.example.com" : "other.test" });
      client.came.length = 0;
      client.send(query("web.example.com", round), { address: custom.v4, port: 53 });
      await until(() => client.came.length === 1);
      assert.equal(((client.came[0]?.bytes[3] ?? 0) & 15) === 0, allowed, `round ${round}`);
    }
  });

  test("an audit denies nothing, tells what it would have denied, and learns nothing from it", async () => {
    const rules = rulesOf(listenerPort, [{ matchName: "nothing.test" }], true);
    await world.agent?.apply({ whole: true, listeners: [rules], removed: [] });
    assert.equal(
      parse(await world.dig("web.example.com", "-b", "10.9.1.3", `@${dnsmasq.v4}`)).status,
      "NOERROR",
    );
    await until(() => world.records.length === 2);
    assert.deepEqual(
      world.records.map(({ verdict, rule }) => [verdict, rule]),
      [
        ["audit", 99],
        ["audit", 99],
      ],
    );
    assert.deepEqual(world.resolved, []);
  });

  test("a server that is not there is a failure at once", async () => {
    const before = performance.now();
    assert.equal(parse(await world.dig("web.example.com", `@${custom.v4}`)).status, "SERVFAIL");
    assert.ok(performance.now() - before < 1_000);
    const refused = await world.dig("+tcp", "web.example.com", `@${custom.v4}`);
    assert.match(
      refused,
      /end of file|connection refused|connection reset|communications error|no servers could be reached/,
    );
  });

  test("what is sent to the listener itself goes nowhere", async () => {
    using local = new Endpoint(world.node, "127.0.0.1");
    const before = await world.counters();
    local.send(query("web.example.com", 1), { address: "127.0.0.1", port: listenerPort });
    await delay(50);
    assert.deepEqual(local.came, []);
    const counters = await world.counters();
    assert.equal((counters["ignoredMessages"] ?? 0) - (before["ignoredMessages"] ?? 0), 1);
    const { stdout } = await world.node.exec("dig", [
      "+tcp",
      "+tries=1",
      "+time=1",
      "-p",
      String(listenerPort),
      "web.example.com",
      "@127.0.0.1",
    ]);
    assert.match(stdout, /end of file|reset|no servers could be reached|communications error/);
  });

  test("addresses that the agent has let go of are told and held again when it says so", async () => {
    await world.dig("one1.example.com", `@${unbound.v4}`);
    await world.dig("one1.example.com", `@${unbound.v4}`);
    assert.deepEqual(
      world.resolved.map(({ id }) => id > 0),
      [true],
    );
    world.agent?.forgetNames();
    await world.dig("one1.example.com", `@${unbound.v4}`);
    assert.deepEqual(
      world.resolved.map(({ id }) => id > 0),
      [true, true],
    );
  });

  test("what was kept and is damaged is not served; the agent's word is", async () => {
    await world.stopAgent();
    await world.killProxy();
    const file = join(world.folder, "state/listeners.json");
    writeFileSync(file, readFileSync(file, "utf8").replace("*.example.com", "*.other.test"));
    await world.startProxy();
    assert.match(world.output, /the kept state is damaged/);
    assert.equal(
      parse(await world.dig("+time=1", "web.example.com", `@${unbound.v4}`)).status,
      "timeout",
    );
    world.startAgent();
    await world.allow({ matchPattern: "*.example.com" });
    assert.equal(parse(await world.dig("web.example.com", `@${unbound.v4}`)).status, "NOERROR");
  });

  test("a port that somebody else has is a problem until it is free", async () => {
    const listeners = [
      rulesOf(listenerPort, [{ matchName: "web.example.com" }]),
      rulesOf(10_650, []),
    ];
    {
      using _other = new Endpoint(world.node, "127.0.0.1", 10_650);
      const problems = await world.agent?.apply({ whole: true, listeners, removed: [] });
      assert.deepEqual(problems, [{ port: 10_650, reason: "bind: EADDRINUSE" }]);
    }
    assert.equal(parse(await world.dig("web.example.com", `@${unbound.v4}`)).status, "NOERROR");
    assert.deepEqual(await world.agent?.apply({ whole: true, listeners, removed: [] }), []);
  });

  test("what a listener was sent before it goes is answered", async () => {
    using client = new Endpoint(world.client, clientAddress.v4);
    const proxy = world.proxy ?? assert.fail();
    await world.allow({ matchName: "web.example.com" });
    proxy.kill("SIGSTOP");
    // More than it takes before it looks at what it is told.
    const asked = 250;
    for (let id = 1; id <= asked; id++)
      client.send(query("web.example.com", id), { address: unbound.v4, port: 53 });
    const told = world.agent?.apply({ whole: false, listeners: [], removed: [listenerPort] });
    await delay(50);
    proxy.kill("SIGCONT");
    await told;
    await until(() => client.came.length === asked);
    assert.ok(client.came.every(({ bytes }) => ((bytes[3] as number) & 15) === 0));
  });

  test("a listener that goes takes nothing more; one that cannot be is a problem of its own", async () => {
    const http = { ...rulesOf(10_641, []), ruleSet: { ...rulesOf(1, []).ruleSet, kind: "http" } };
    const problems = await world.agent?.apply({
      whole: true,
      listeners: [http as never],
      removed: [],
    });
    assert.deepEqual(
      problems?.map(({ port }) => port),
      [10_641],
    );
    assert.deepEqual((await world.agent?.status())?.listeners, []);
    assert.equal(
      parse(await world.dig("+time=1", "web.example.com", `@${unbound.v4}`)).status,
      "timeout",
    );
    const { stdout } = await world.node.exec("ss", ["-Hlnut"]);
    assert.doesNotMatch(stdout, /:1064/);
  });

  test("ends when it is told to, and leaves its sockets", async () => {
    const proxy = world.proxy ?? assert.fail();
    const ended = new Promise((resolve) => proxy.once("exit", resolve));
    world.agent?.stopProxy();
    assert.equal(await ended, 0);
    const { stdout } = await world.node.exec("ss", ["-Hanutw"]);
    assert.doesNotMatch(stdout, /:1064|192\.0\.0\.8/);
  });
});
