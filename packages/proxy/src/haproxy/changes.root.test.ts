// Rules that change under connections: nothing is dropped, and every request is judged by the rules of its moment.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import http2 from "node:http2";
import { createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MovedConnection } from "../model.ts";
import { stop } from "../launch/index.ts";
import { addresses, eventually, httpRules, World } from "./testing/world.ts";

const open = httpRules([{ path: "/(a|b)" }]);
const narrow = httpRules([{ path: "/a" }]);

suite("rules change under HAProxy's connections", () => {
  let world: World;
  before(async () => {
    world = await World.make();
    world.http1(80);
    world.http2(81, (_, response) => response.end("h2"));
    await world.redirect(80, 10_000);
    await world.redirect(81, 10_001);
    await world.apply([], true);
  });
  after(() => world[Symbol.asyncDispose]());
  const moved = async () => (await world.engine.status()).counters?.["movedConnections"] ?? NaN;

  test("status counts connections: whoever asks whether one is left is told of the last one, too", async () => {
    await world.set(10_000, open);
    const count = async () => (await world.engine.status()).connections;
    const becomes = async (wanted: number) => {
      for (let tries = 0; tries < 200 && (await count()) !== wanted; tries++) await sleep(10);
      return count();
    };
    const sockets = [world.connect(80), world.connect(80)] as const;
    for (const socket of sockets) assert.deepEqual(await new Pipeline(socket).ask(["/a"]), [200]);
    assert.equal(await becomes(2), 2);
    sockets[0].destroy();
    assert.equal(await becomes(1), 1);
    sockets[1].destroy();
    assert.equal(await becomes(0), 0);
  });

  test("a kept connection: 4,000 requests while rules flip, none forbidden passes, none fails", async () => {
    await world.set(10_000, open);
    const connection = new Pipeline(world.connect(80));
    let passed = 0;
    for (let round = 0; round < 40; round++) {
      await world.set(10_000, round % 2 ? open : narrow);
      for (let index = 0; index < 10; index++) {
        // The second of each pair is sent with the first, before its answer.
        const answers = await connection.ask([
          "/a",
          "/b",
          "/a",
          "/b",
          "/c",
          "/a",
          "/b",
          "/a",
          "/b",
          "/a",
        ]);
        const b = round % 2 ? 200 : 403;
        assert.deepEqual(answers, [200, b, 200, b, 403, 200, b, 200, b, 200]);
        passed += answers.length;
      }
    }
    assert.equal(passed, 4_000);
    assert.equal(connection.reconnects, 0);
  });

  test("requests that are under way while rules flip are judged by the old or by the new ones, and always one of them", async () => {
    let flipping = true;
    // "/a" is in both: it must never be denied. "/c" is in none: it must never pass.
    const flip = (async () => {
      let flips = 0;
      for (; flipping; flips++) await world.set(10_000, flips % 2 ? open : narrow);
      return flips;
    })();
    const connections = [0, 1, 2, 3].map(() => new Pipeline(world.connect(80)));
    const answers = await Promise.all(
      connections.map(async (connection) => {
        const seen: number[] = [];
        for (let round = 0; round < 200; round++)
          seen.push(...(await connection.ask(["/a", "/c", "/b", "/a", "/c"])));
        return seen;
      }),
    );
    flipping = false;
    assert.ok((await flip) > 10);
    for (const list of answers)
      list.forEach((status, index) => {
        const [a, c] = [
          [0, 3],
          [1, 4],
        ].map((places) => places.includes(index % 5));
        if (a) assert.equal(status, 200);
        if (c) assert.equal(status, 403);
      });
    for (const connection of connections) assert.equal(connection.reconnects, 0);
  });

  test("header conditions change as one, with what they are about", async () => {
    const rule = (value: string) =>
      httpRules([
        { path: "/a", headers: [{ name: "x-k", value, secret: undefined, mismatch: "deny" }] },
        {
          path: "/b",
          headers: [{ name: "x-other", value: "o", secret: undefined, mismatch: "deny" }],
        },
      ]);
    await world.set(10_000, rule("0"));
    let flipping = true;
    const flip = (async () => {
      for (let round = 1; flipping; round++) await world.set(10_000, rule(String(round % 2)));
    })();
    const connection = new Pipeline(world.connect(80));
    for (let round = 0; round < 60; round++) {
      // One of the two is always right; none of the others ever is.
      const statuses = await connection.ask(["/a", "/b"], "X-K: 2\r\nX-Other: p\r\n");
      assert.deepEqual(statuses, [403, 403]);
      assert.deepEqual(await connection.ask(["/b"], "X-Other: o\r\n"), [200]);
    }
    flipping = false;
    await flip;
  });

  test("streams of an HTTP/2 connection", async () => {
    const session = http2.connect(`http://${addresses.server[4]}:81`, {
      createConnection: () => world.connect(81),
    });
    const ask = async (path: string) => {
      const stream = session.request({ ":path": path });
      const [headers] = await once(stream, "response");
      stream.resume();
      await once(stream, "close");
      return headers[":status"];
    };
    for (let round = 0; round < 20; round++) {
      await world.set(10_001, round % 2 ? open : narrow);
      const statuses = await Promise.all(["/a", "/b", "/c"].map(ask));
      assert.deepEqual(statuses, [200, round % 2 ? 200 : 403, 403]);
    }
    assert.equal(session.destroyed, false);
    session.close();
  });

  test("a connection is held to another listener's rules, to none, and to its own again", async () => {
    await world.set(10_000, narrow);
    await world.set(10_005, httpRules([{ path: "/b" }]));
    const socket = world.connect(80);
    const connection = new Pipeline(socket);
    const other = new Pipeline(world.connect(80));
    assert.deepEqual(await connection.ask(["/a", "/b"]), [200, 403]);
    const move = (to: number): MovedConnection => ({
      protocol: 6,
      client: { address: socket.localAddress ?? "", port: socket.localPort ?? 0 },
      server: { address: addresses.server[4], port: 80 },
      from: 10_000,
      to,
    });
    await world.engine.move([move(10_005)]);
    assert.deepEqual(await connection.ask(["/a", "/b"]), [403, 200]);
    assert.deepEqual(await other.ask(["/a", "/b"]), [200, 403]);
    // Rules of the other listener change, also for whom moved there; a listener that is none lets nothing through.
    await world.set(10_005, httpRules([{ path: "/c" }]));
    assert.deepEqual(await connection.ask(["/b", "/c"]), [403, 200]);
    await world.engine.move([move(10_006)]);
    assert.deepEqual(await connection.ask(["/a", "/b", "/c"]), [403, 403, 403]);
    await world.engine.move([move(10_600)]);
    assert.deepEqual(await connection.ask(["/a"]), [403]);
    await world.engine.move([move(0)]);
    assert.deepEqual(await connection.ask(["/a", "/b", "/anything"]), [200, 200, 200]);
    assert.equal(await moved(), 1);
    await world.engine.move([move(10_000)]);
    assert.deepEqual(await connection.ask(["/a", "/b"]), [200, 403]);
    assert.equal(await moved(), 0);
    connection.end();
    other.end();
  });

  test("a connection that comes later from the same port is not the one that moved", async () => {
    await world.set(10_000, narrow);
    const socket = world.connect(80);
    const connection = new Pipeline(socket);
    assert.deepEqual(await connection.ask(["/b"]), [403]);
    const client = { address: addresses.client[4], port: socket.localPort ?? 0 };
    const server = { address: addresses.server[4], port: 80 };
    await world.engine.move([{ protocol: 6, client, server, from: 10_000, to: 0 }]);
    assert.deepEqual(await connection.ask(["/b"]), [200]);
    socket.resetAndDestroy();
    await sleep(1_200);
    assert.equal(await moved(), 1);
    const again = await world.curl(
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "--local-port",
      String(client.port),
      `http://${server.address}/b`,
    );
    assert.match(again, /^EXIT 52 /);
    // And what is known of it goes in a moment.
    for (let tries = 0; tries < 60 && (await moved()) > 0; tries++) await sleep(100);
    assert.equal(await moved(), 0);
    assert.equal(await world.code(`http://${server.address}/b`), "403");
  });

  test("a connection that moves while it waits to be accepted follows", async () => {
    await world.set(10_000, narrow);
    await world.set(10_005, httpRules([{ path: "/b" }]));
    const client = { address: addresses.client[4], port: 50_505 };
    const server = { address: addresses.server[4], port: 80 };
    const { pid } = await world.engine.status();
    const ask = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--local-port", "50505"];
    await world.engine.move([{ protocol: 6, client, server, from: 10_000, to: 10_005 }]);
    process.kill(pid, "SIGSTOP");
    const code = world.curl(...ask, `http://${server.address}/b`);
    await sleep(200);
    process.kill(pid, "SIGCONT");
    assert.equal(await code, "200");
  });

  test("1,000 rule sets: no more memory, descriptors or entries than with one", async () => {
    const { pid } = await world.engine.status();
    const rules = (round: number) =>
      httpRules(
        Array.from({ length: 4 }, (_, index) => ({
          path: `/round-${round}/${index}/.*`,
          headers:
            index + (round % 4) === 0
              ? [{ name: "x", value: String(round), secret: undefined, mismatch: "deny" as const }]
              : [],
        })),
      );
    const census = () => ({
      rssKb: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    });
    for (let round = 0; round < 200; round++) await world.set(10_010 + (round % 4), rules(round));
    const before = census();
    for (let round = 0; round < 1_000; round++) await world.set(10_010 + (round % 4), rules(round));
    const after = census();
    assert.ok(after.rssKb - before.rssKb < 1_500, JSON.stringify({ before, after }));
    assert.ok(
      Math.abs(after.descriptors - before.descriptors) <= 2,
      JSON.stringify({ before, after }),
    );
  });

  test("an agent that comes back adopts the process; until it says what holds, what held does", async () => {
    await world.set(10_000, narrow);
    const connection = new Pipeline(world.connect(80));
    assert.deepEqual(await connection.ask(["/a", "/b"]), [200, 403]);
    const { pid } = await world.engine.status();
    await world.engine[Symbol.asyncDispose]();
    assert.deepEqual(await connection.ask(["/a", "/b"]), [200, 403]);
    world.engine = world.newEngine();
    await world.engine.start(AbortSignal.timeout(10_000));
    assert.equal((await world.engine.status()).pid, pid);
    assert.deepEqual(await connection.ask(["/a", "/b"]), [200, 403]);
    await world.apply([{ port: 10_000, version: 1, ruleSet: httpRules([{ path: "/b" }]) }], true);
    assert.deepEqual(await connection.ask(["/a", "/b"]), [403, 200]);
    assert.equal(
      await world.code(`http://${addresses.server[4]}:81/a`, "--http2-prior-knowledge"),
      "403",
    );
    assert.equal(connection.reconnects, 0);
    // And it reads the access log again.
    await connection.ask(["/a?after-the-restart"]);
    await eventually(() =>
      world.records.some(({ l7 }) => l7.kind === "http" && l7.url.endsWith("after-the-restart")),
    );
    connection.end();
  });

  test("killed: the agent is told, nothing passes, and a new process holds all rules at once", async () => {
    await world.set(10_000, narrow);
    let ended: string | undefined;
    await world.engine[Symbol.asyncDispose]();
    world.engine = world.newEngine({ onEnd: (how) => (ended = how ?? "?") });
    await world.engine.start(AbortSignal.timeout(10_000));
    await world.apply([{ port: 10_000, version: 1, ruleSet: narrow }], true);
    const { pid } = await world.engine.status();
    process.kill(pid, "SIGKILL");
    assert.match(await eventually(() => ended), /SIGKILL|signal 9/);
    const dead = await world.curl("--connect-timeout", "0.3", `http://${addresses.server[4]}/a`);
    assert.match(dead, /^EXIT 28 /);
    const began = performance.now();
    // Whoever comes as soon as it listens is served.
    const first = world.code(
      `http://${addresses.server[4]}/a`,
      ..."--retry 20 --retry-delay 0 --retry-all-errors --connect-timeout 0.02 -m 20".split(" "),
    );
    await world.engine.start(AbortSignal.timeout(10_000));
    assert.equal(await first, "200");
    // (0.2 s where nothing else runs.)
    assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
    assert.equal(await world.code(`http://${addresses.server[4]}/a`), "200");
    assert.equal(await world.code(`http://${addresses.server[4]}/b`), "403");
  });

  test("ports that others have cost their own listeners, and no more", async () => {
    await world.engine.shutDown();
    const others = [10_001, 10_003].map((port) =>
      world.node.run(() => createServer().listen(port)),
    );
    world.engine = world.newEngine();
    await world.engine.start(AbortSignal.timeout(10_000));
    const { pid } = await world.engine.status();
    for (const other of others) other.close();
    const listeners = [10_000, 10_001].map((port) => ({ port, version: 1, ruleSet: narrow }));
    const problem = [{ port: 10_001, reason: "port 10001 is another process's" }];
    assert.deepEqual(await world.apply(listeners, true), problem);
    assert.equal(await world.code(`http://${addresses.server[4]}/a`), "200");
    // It is adopted as it is.
    await world.engine[Symbol.asyncDispose]();
    world.engine = world.newEngine();
    await world.engine.start(AbortSignal.timeout(10_000));
    assert.equal((await world.engine.status()).pid, pid);
    assert.deepEqual(await world.apply(listeners, true), problem);
    await world.engine.shutDown();
    world.engine = world.newEngine();
    await world.engine.start(AbortSignal.timeout(10_000));
    assert.deepEqual(await world.apply(listeners, true), []);
  });

  test("another configuration: listeners are handed on, no connection that is being opened is lost", async () => {
    await world.engine[Symbol.asyncDispose]();
    const old = world.newEngine();
    await old.start(AbortSignal.timeout(10_000));
    const { pid } = await old.status();
    await old[Symbol.asyncDispose]();
    let asking = true;
    const codes: string[] = [];
    const asker = (async () => {
      while (asking) codes.push(await world.code(`http://${addresses.server[4]}/a`));
    })();
    world.engine = world.newEngine({ maxConnections: 1_000 });
    await world.engine.start(AbortSignal.timeout(10_000));
    await world.apply([{ port: 10_000, version: 1, ruleSet: narrow }], true);
    await sleep(200);
    asking = false;
    await asker;
    assert.notEqual((await world.engine.status()).pid, pid);
    // Denied until the new process has its rules, but answered.
    assert.deepEqual(
      [...new Set(codes)].filter((code) => code !== "200" && code !== "403"),
      [],
    );
    assert.equal(codes.at(-1), "200");
    await eventually(() => !isAlive(pid), 5_000).catch(() => stop({ pid, startTime: "" }));
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** A kept HTTP/1.1 connection that sends several requests at once. */
class Pipeline {
  readonly #socket: Socket;
  #text = "";
  #wake: () => void = () => undefined;
  reconnects = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      this.#text += chunk;
      this.#wake();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.reconnects++;
      this.#wake();
    });
  }

  /** Statuses; 0 where the connection ended. */
  async ask(paths: readonly string[], headers = ""): Promise<number[]> {
    this.#socket.write(
      paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: h\r\n${headers}\r\n`).join(""),
    );
    const statuses: number[] = [];
    while (statuses.length < paths.length) {
      const answer =
        /^HTTP\/1\.1 (\d{3}) .*\r\n(?:(?!content-length).*\r\n)*content-length: (\d+)\r\n(?:.+\r\n)*\r\n/i.exec(
          this.#text,
        );
      const length = answer ? answer[0].length + Number(answer[2]) : Infinity;
      if (this.#text.length >= length) {
        statuses.push(Number(answer?.[1]));
        this.#text = this.#text.slice(length);
        continue;
      }
      if (this.#socket.destroyed)
        return [...statuses, ...paths.slice(statuses.length).map(() => 0)];
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return statuses;
  }

  end(): void {
    this.#socket.destroy();
  }
}
