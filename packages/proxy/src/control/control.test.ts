import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { repeat } from "@tsilium/testkit";
import type { ListenerRules, ProxyRecord, ResolvedName } from "../model.ts";
import { ControlClient, type ControlClientOptions } from "./client.ts";
import { LineReader } from "./lines.ts";
import { Outbox } from "./outbox.ts";
import { readFromProxy } from "./read-from-proxy.ts";
import { readToProxy, type ReceivedToProxy } from "./read-to-proxy.ts";
import { ControlServer } from "./server.ts";

const listener = (port: number, version = 1): ListenerRules => ({
  port,
  version,
  ruleSet: {
    kind: "dns",
    direction: "egress",
    audit: false,
    denyRule: 9,
    rules: [{ rule: 4, match: { matchPattern: "*.example.com" } }],
  },
});

const nameOf = (id: number): ResolvedName => ({
  id,
  client: "10.0.0.1",
  name: `n${id}.example.com`,
  aliases: [],
  addresses: [{ address: "192.0.2.1", ttlS: 30 }],
  atMs: 1,
});

const recordOf = (rule: number): ProxyRecord => ({
  timeNs: "1",
  port: 10_640,
  direction: "egress",
  protocol: 17,
  client: { address: "10.0.0.1", port: 4000 },
  server: { address: "10.0.0.2", port: 53 },
  verdict: "forwarded",
  rule,
  l7: {
    type: 1,
    latencyNs: 0,
    kind: "dns",
    query: "a.",
    ips: [],
    ttl: 0,
    cnames: [],
    observationSource: "proxy",
    rcode: 0,
    qtypes: ["A"],
    rrtypes: [],
  },
});

function socketPath(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-control-"));
  context.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "control.sock");
}

/** A proxy's end that keeps what it is told, and acknowledges it. */
async function serve(path: string, received: ReceivedToProxy[]): Promise<ControlServer> {
  const server = await ControlServer.listen({
    path,
    hello: () => ({ version: "test", pid: 1, listeners: [] }),
    receive: (message) => {
      received.push(message);
      if (message.kind === "apply") server.acknowledge(message.sequence, message.invalid);
      if (message.kind === "move") server.acknowledge(message.sequence);
    },
    limits: { maxNames: 4, maxRecords: 4 },
  });
  return server;
}

function start(options: ControlClientOptions): ControlClient {
  const client = new ControlClient({ reconnect: { firstMs: 5, maxMs: 5 }, ...options });
  client.start();
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  for (let waitedMs = 0; !condition(); waitedMs += 2) {
    assert.ok(waitedMs < 5_000, "it does not happen");
    await delay(2);
  }
}

describe("control", () => {
  test("only the owner may connect", async (context) => {
    const path = socketPath(context);
    await using _server = await serve(path, []);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  test("updates are acknowledged, also those made while there is no proxy", async (context) => {
    const path = socketPath(context);
    await using client = start({ path });
    const first = client.apply({ whole: true, listeners: [listener(1)], removed: [] });
    const second = client.apply({ whole: false, listeners: [listener(2)], removed: [1] });
    const moved = client.move([
      {
        protocol: 6,
        client: { address: "10.0.0.1", port: 1 },
        server: { address: "10.0.0.2", port: 53 },
        from: 1,
        to: 2,
      },
    ]);
    const received: ReceivedToProxy[] = [];
    await using _server = await serve(path, received);
    assert.deepEqual(await Promise.all([first, second, moved]), [[], [], undefined]);
    assert.deepEqual(
      received.map((message) =>
        message.kind === "apply" ? message.listeners.map(({ port }) => port) : message.kind,
      ),
      [[2], "move"],
    );
  });

  test("after a reconnect the whole state comes first", async (context) => {
    const path = socketPath(context);
    const received: ReceivedToProxy[] = [];
    await using client = start({ path });
    {
      await using _server = await serve(path, received);
      await client.apply({ whole: true, listeners: [listener(1)], removed: [] });
      await client.apply({ whole: false, listeners: [listener(2)], removed: [] });
    }
    await until(() => client.hello === undefined);
    received.length = 0;
    await using _again = await serve(path, received);
    await until(() => received.length > 0);
    const [message] = received;
    assert.ok(message?.kind === "apply" && message.whole);
    assert.deepEqual(
      message.listeners.map(({ port }) => port),
      [1, 2],
    );
  });

  test("until a whole state is known, a proxy keeps what it has", async (context) => {
    const path = socketPath(context);
    const received: ReceivedToProxy[] = [];
    await using client = start({ path });
    const done = client.apply({ whole: false, listeners: [], removed: [7] });
    await using _server = await serve(path, received);
    await done;
    assert.deepEqual(received, [
      { kind: "apply", sequence: 2, whole: false, listeners: [], removed: [7], invalid: [] },
    ]);
  });

  test("a listener that the proxy does not understand is a problem of its own", async (context) => {
    const path = socketPath(context);
    const received: ReceivedToProxy[] = [];
    await using client = start({ path });
    await using _server = await serve(path, received);
    const odd = { ...listener(3), ruleSet: { ...listener(3).ruleSet, kind: "quic" } };
    const problems = await client.apply({
      whole: true,
      listeners: [listener(1), odd as unknown as ListenerRules],
      removed: [],
    });
    assert.deepEqual(
      problems.map(({ port }) => port),
      [3],
    );
  });

  test("names and records wait for an agent, the newest of them, and losses are counted", async (context) => {
    const path = socketPath(context);
    await using server = await serve(path, []);
    for (let id = 1; id <= 6; id++) {
      server.addName(nameOf(id));
      server.addRecord(recordOf(id));
    }
    const names: ResolvedName[] = [];
    const records: ProxyRecord[] = [];
    let losses = 0;
    await using _client = start({
      path,
      onResolved: (answers) => names.push(...answers),
      onRecords: (some, lost) => {
        records.push(...some);
        losses += lost;
      },
    });
    await until(() => records.length > 0);
    assert.deepEqual(
      names.map(({ id, name }) => [id, name]),
      [3, 4, 5, 6].map((id) => [0, `n${id}.example.com`]),
    );
    assert.deepEqual(
      records.map(({ rule }) => rule),
      [3, 4, 5, 6],
    );
    assert.equal(losses, 2);
  });

  test("a status is answered, or refused when the connection is lost", async (context) => {
    const path = socketPath(context);
    await using client = start({ path });
    await assert.rejects(client.status(), { code: "control_closed" });
    const server = await serve(path, []);
    await until(() => client.hello !== undefined);
    const lost = client.status();
    lost.catch(() => {});
    const answered = client.status();
    answered.catch(() => {});
    server.sendStatus({
      engine: "test 1",
      pid: 1,
      listeners: [],
      connections: 0,
      requests: { forwarded: 1, denied: 2, errors: 3 },
      counters: { malformed: 4 },
    });
    assert.equal((await lost).counters?.["malformed"], 4);
    await server[Symbol.asyncDispose]();
    await assert.rejects(answered, { code: "control_closed" });
  });

  test("what strangers made long is told in lines that the agent takes", async (context) => {
    const path = socketPath(context);
    const server = await ControlServer.listen({
      path,
      hello: () => ({ version: "test", pid: 1, listeners: [] }),
      receive: () => {},
    });
    context.after(() => server[Symbol.asyncDispose]());
    const aliases = Array.from({ length: 68 }, () => "a".repeat(1_000));
    for (let id = 1; id <= 256; id++) server.addName({ ...nameOf(id), aliases });
    const told: number[] = [];
    const lost: unknown[] = [];
    await using _client = start({
      path,
      onResolved: (answers) => told.push(...answers.map(({ id }) => id)),
      onError: (error) => lost.push(error),
    });
    await until(() => told.length === 256 || lost.length > 0);
    assert.deepEqual(lost, []);
  });

  test("an agent that does not read does not fill the proxy", async (context) => {
    const path = socketPath(context);
    await using server = await serve(path, []);
    const socket = connect(path);
    context.after(() => socket.destroy());
    socket.pause();
    await until(() => server.connected);
    for (let round = 0; round < 20_000; round++) {
      server.addRecord(recordOf(round));
      server.flush();
    }
    assert.ok(server.outbox.recordCount <= 4);
    assert.ok(server.outbox.totals.lostRecords > 10_000);
  });

  test("a newer agent takes the place of the one before", async (context) => {
    const path = socketPath(context);
    await using server = await serve(path, []);
    const first = connect(path);
    await until(() => server.connected);
    const closed = new Promise((resolve) => first.once("close", resolve));
    first.resume();
    const second = connect(path);
    await closed;
    assert.equal(server.connected, true);
    second.destroy();
  });

  test("nonsense on the socket ends that connection alone", async (context) => {
    const path = socketPath(context);
    const received: ReceivedToProxy[] = [];
    await using _server = await serve(path, received);
    for (const bytes of [
      "{}\n",
      "[1]\n",
      '{"kind":"apply"}\n',
      "\0\n",
      '{"kind":"release","ids":[-1]}\n',
    ]) {
      const socket = connect(path);
      socket.resume().write(bytes);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    assert.deepEqual(received, []);
  });
});

describe("lines", () => {
  test("come whole however they are cut, and no longer than the limit", () => {
    const reader = new LineReader(5);
    const push = (text: string) => reader.push(Buffer.from(text));
    assert.deepEqual([push("ab"), push("c\n\nd"), push("\nxyz\n")], [[], ["abc"], ["d", "xyz"]]);
    assert.throws(() => push("123456"), { code: "line_too_long" });
  });

  test("with random changes are refused or have their shape", () => {
    const toProxy = JSON.stringify({
      kind: "apply",
      sequence: 1,
      whole: true,
      listeners: [listener(1)],
      removed: [2],
    });
    const fromProxy = [
      { kind: "resolved", answers: [nameOf(1)] },
      { kind: "records", records: [recordOf(1)] },
    ].map((message) => JSON.stringify(message));
    const parts = ["null", "-1", "1e99", '"x"', "[]", "{}", "true", "0.5", '"__proto__"'];
    repeat({ runs: 4_000 }, (random) => {
      const line = random.pick([toProxy, ...fromProxy]);
      const values = [...line.matchAll(/"[^"]*"|\d+|true|false|\[\]/g)];
      const { index, 0: old } = random.pick(values);
      const changed = line.slice(0, index) + random.pick(parts) + line.slice(index + old.length);
      try {
        if (line === toProxy) readToProxy(changed);
        else readFromProxy(changed);
      } catch (error) {
        assert.match((error as Error).name, /^(ShapeError|SyntaxError)$/);
      }
    });
  });
});

test("an outbox has room for so many addresses; the oldest names go first", () => {
  const outbox = new Outbox({ maxRecords: 1, maxNames: 1_000 });
  const addresses = Array.from({ length: 4_096 }, () => ({ address: "192.0.2.1", ttlS: 30 }));
  const add = (id: number) => outbox.addName({ ...nameOf(id), addresses });
  for (let id = 1; id <= 70; id++) add(id);
  assert.equal(outbox.totals.lostNames, 6);
  const message = outbox.next();
  assert.ok(message?.kind === "resolved");
  assert.deepEqual([message.answers.length, message.answers[0]?.id], [64, 7]);
  for (let id = 71; id <= 134; id++) add(id);
  assert.equal(outbox.totals.lostNames, 6);
});

test("an outbox keeps order while it is filled and emptied", () => {
  repeat({ runs: 200 }, (random) => {
    const outbox = new Outbox({ maxRecords: 1, maxNames: 5 });
    let expected: number[] = [];
    for (let id = 1; id < 40; id++) {
      outbox.addName(nameOf(id));
      expected = [...expected, id].slice(-5);
      if (!random.chance(0.2)) continue;
      const message = outbox.next();
      assert.ok(message?.kind === "resolved");
      assert.deepEqual(
        message.answers.map((name) => name.id),
        expected,
      );
      expected = [];
    }
  });
});
