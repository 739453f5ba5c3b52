// Ways around rules that an attack on HAProxy as it is configured here has found; each was open once (docs/security.md).
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import http2 from "node:http2";
import { createServer, type Socket } from "node:net";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { addresses, eventually, httpRules, World } from "./testing/world.ts";

const rules = httpRules([{ method: "GET|POST", path: "/open(/.*)?" }]);
const head = (line: string, ...headers: string[]) => `${[line, ...headers].join("\r\n")}\r\n\r\n`;
const webSocketKey = ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"];

suite("ways around rules that were open once", () => {
  let world: World;
  let received = "";
  const asked: string[] = [];
  before(async () => {
    // Small enough that one client could have them all.
    world = await World.make({ maxConnections: 160 });
    world.listen(
      createServer((socket) => answerEach(socket, (chunk) => (received += chunk))),
      80,
    );
    world.listen(h2cServer(asked), 81);
    await world.redirect(80, 10_000);
    await world.redirect(81, 10_001);
    await world.apply([], true);
    await world.set(10_000, rules);
    await world.set(10_001, rules);
  });
  after(() => world[Symbol.asyncDispose]());

  /** Status lines of what is answered, and what the server got. */
  async function tried(bytes: string) {
    received = "";
    const answer = await world.raw(80, Buffer.from(bytes, "latin1"), 300);
    const statuses = [...answer.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map(([, status]) => status);
    return { statuses, received };
  }

  // A request to upgrade with two lines: one is what is allowed, the other what the server takes.
  for (const [first, second] of [
    ["h2c", "websocket"],
    ["websocket", "h2c"],
  ] as const)
    test(`an upgrade to ${first} and, on another line, to ${second} is none`, async () => {
      asked.length = 0;
      const connection = world.connect(81);
      connection.on("error", () => undefined).resume();
      connection.write(
        head(
          "GET /open HTTP/1.1",
          "Host: h",
          "Connection: Upgrade",
          "Connection: HTTP2-Settings",
          `Upgrade: ${first}`,
          `Upgrade: ${second}`,
          "HTTP2-Settings: AAMAAABkAAQAAP__",
          ...webSocketKey,
        ),
      );
      await sleep(150);
      connection.write(http2Request("/secret"));
      await sleep(200);
      connection.destroy();
      assert.deepEqual(
        asked.filter((line) => line !== "GET /open"),
        [],
      );
    });

  for (const [what, bytes] of [
    ["a NUL", "\0"],
    ["a control character", "\x01"],
    ["an escape character", "\x1b"],
    ["DEL", "\x7f"],
  ] as const)
    test(`a header's value with ${what} is refused`, async () => {
      const { statuses, received: got } = await tried(
        head("GET /open HTTP/1.1", "Host: h", `X: a${bytes}b`),
      );
      assert.deepEqual([statuses, got], [["400"], ""]);
    });

  const chunks = "5\r\nhello\r\n0\r\n\r\n";
  for (const [what, line, ...headers] of [
    ["an empty item", "POST /open HTTP/1.1", "Transfer-Encoding: chunked ,"],
    ["HTTP/1.0", "POST /open HTTP/1.0", "Transfer-Encoding: chunked"],
    ["another before it", "POST /open HTTP/1.1", "Transfer-Encoding: identity, chunked"],
  ] as const)
    test(`chunks with ${what} are refused: servers do not agree on them`, async () => {
      const { statuses, received: got } = await tried(head(line, "Host: h", ...headers) + chunks);
      assert.match(String(statuses[0]), /^4\d\d$/);
      assert.equal(got, "");
    });

  // HAProxy drops the length before anybody can see it (RFC 9112, 6.3): what goes on has one meaning.
  for (const headers of [
    ["Content-Length: 4", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 4"],
  ])
    test(`${headers.join(" and ")}: the length does not go on`, async () => {
      const bytes = head("POST /open HTTP/1.1", "Host: h", ...headers) + chunks;
      const { received: got } = await tried(bytes + head("GET /secret HTTP/1.1", "Host: h"));
      assert.match(got, /^transfer-encoding: chunked\r$/im);
      assert.doesNotMatch(got, /content-length|secret/i);
    });

  for (const version of ["HTTP/0.9"])
    test(`a request of ${version} is no request of HTTP/1`, async () => {
      const { statuses, received: got } = await tried(head(`GET /open ${version}`, "Host: h"));
      assert.match(String(statuses[0]), /^(?:400|505)$/);
      assert.equal(got, "");
    });

  for (const other of ["close", "keep-alive", "upgrade"])
    test(`what a client names in Connection, beside ${other}, is not dropped by the next proxy`, async () => {
      const { received: got } = await tried(
        head(
          "GET /open HTTP/1.1",
          "Host: h",
          `Connection: ${other}`,
          "Connection: x-ours",
          "X-Ours: 1",
        ),
      );
      assert.doesNotMatch(got, /^connection:.*x-ours/im);
      assert.match(got, /^x-ours: 1\r$/im);
    });

  test("a method that ends as an allowed one does is none", async () => {
    const { statuses, received: got } = await tried(head("FORGET /open HTTP/1.1", "Host: h"));
    assert.deepEqual([statuses, got], [["403"], ""]);
  });

  test("what is refused is told without anything that a terminal obeys", async () => {
    world.records.length = 0;
    await tried(head("GET /open/\x9b31m HTTP/1.1", "Host: h"));
    const [record] = await eventually(() => world.records.length > 0 && world.records);
    assert.ok(record?.l7.kind === "http" && record.verdict === "denied");
    assert.match(record.l7.url, /^[!-~]*\/open\/\?31m$/);
  });

  test("rules that a process is started with are not for other users to read", async () => {
    const { pid } = await world.engine.status();
    process.kill(pid, "SIGKILL");
    await sleep(50);
    await world.engine.start(AbortSignal.timeout(20_000));
    const folder = `${world.folder}/proxy/haproxy-egress`;
    const readable = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => `${parentPath}/${name}`)
      .filter((file) => (statSync(file).mode & 0o004) !== 0)
      .filter((file) => readFileSync(file, "latin1").includes("/open"));
    assert.deepEqual(readable, []);
  });

  test("one client's connections do not take all that there are", async () => {
    const held: Socket[] = [];
    for (let index = 0; index < 200; index++) {
      const connection = world.connect(80);
      connection.on("error", () => undefined).resume();
      connection.write(head("GET /open HTTP/1.1", "Host: h"));
      held.push(connection);
    }
    await sleep(300);
    const others = ["--interface", addresses.otherClient[4]];
    const url = `http://${addresses.server[4]}/open`;
    try {
      assert.equal(await world.code(url, ...others, "-m", "2"), "200");
    } finally {
      for (const connection of held) connection.destroy();
    }
  });
});

/** A server that takes every empty line for a request's end. */
function answerEach(socket: Socket, note: (chunk: string) => void): void {
  let pending = "";
  socket.setEncoding("latin1");
  socket.on("error", () => undefined);
  socket.on("data", (chunk: string) => {
    note(chunk);
    pending += chunk;
    for (let end = pending.indexOf("\r\n\r\n"); end >= 0; end = pending.indexOf("\r\n\r\n")) {
      pending = pending.slice(end + 4);
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
}

/** A server that goes over to HTTP/2 for whoever names it among others. */
function h2cServer(asked: string[]) {
  const inner = http2.createServer((request, response) => {
    asked.push(`${request.method} ${request.url} in the tunnel`);
    response.end();
  });
  const server = createHttpServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.end();
  });
  server.on("upgrade", (request, socket, rest) => {
    socket.on("error", () => undefined);
    if (!/h2c/.test(String(request.headers.upgrade))) return void socket.destroy();
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    if (rest.length > 0) socket.unshift(rest);
    inner.emit("connection", socket);
  });
  return server;
}

/** Preface, SETTINGS and a GET of HTTP/2, its headers written out. */
function http2Request(path: string): Buffer {
  const header = (name: string, value: string) =>
    Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]);
  const headers = Buffer.concat([
    header(":method", "GET"),
    header(":scheme", "http"),
    header(":authority", "h"),
    header(":path", path),
  ]);
  return Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
    Buffer.from([0, 0, headers.length, 1, 5, 0, 0, 0, 1]),
    headers,
  ]);
}
