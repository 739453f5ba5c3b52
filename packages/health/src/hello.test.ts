import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { hello, HelloServer } from "./hello.ts";
import { isAnswer } from "./decide.ts";

const loopback = Address.parse("127.0.0.1");
const signal = new AbortController().signal;

/** Says the same to whoever comes, and hangs up if it is to. */
async function saying(text: string, body: (port: number) => Promise<void>, end = true) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (end) socket.end(text);
    else socket.write(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await body((server.address() as { port: number }).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

test("a server answers probes, and nothing else", async () => {
  await using server = new HelloServer();
  const port = await server.listen(loopback, 0);
  const result = await hello(loopback, { port, timeoutMs: 5_000, signal });
  assert.ok(isAnswer(result), JSON.stringify(result));
  const asked = (path: string, method = "GET") =>
    fetch(`http://127.0.0.1:${port}${path}`, { method }).then(({ status }) => status);
  assert.deepEqual(
    [
      await asked("/hello"),
      await asked("/"),
      await asked("/hello?x"),
      await asked("/hello", "POST"),
    ],
    [200, 404, 404, 405],
  );
});

test("nobody keeps probes away by staying connected", async () => {
  await using server = new HelloServer(8);
  const port = await server.listen(loopback, 0);
  const idle = Array.from({ length: 12 }, () => connect(port, "127.0.0.1"));
  try {
    for (const socket of idle) socket.on("error", () => undefined);
    await Promise.all(idle.map((socket) => once(socket, "connect")));
    const result = await hello(loopback, { port, timeoutMs: 5_000, signal });
    assert.ok(isAnswer(result), JSON.stringify(result));
  } finally {
    for (const socket of idle) socket.destroy();
  }
});

test("an address that somebody else listens at cannot be had", async () => {
  await using server = new HelloServer();
  await using second = new HelloServer();
  const port = await server.listen(loopback, 0);
  await assert.rejects(second.listen(loopback, port), { code: "EADDRINUSE" });
});

const answers: readonly [string, string, RegExp][] = [
  ["an error", "HTTP/1.1 503 Nope\r\nContent-Length: 0\r\n\r\n", /^HTTP status 503$/],
  ["no HTTP", "SSH-2.0-OpenSSH\r\n", /Parse Error/],
  ["nothing", "", /socket hang up/],
  ["an endless answer", `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(5_000)}`, /no end/],
  ["endless headers", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(5_000)}\r\n\r\n`, /Header overflow/],
];
for (const [what, text, problem] of answers)
  test(`${what} is no answer`, () =>
    saying(text, async (port) => {
      const result = await hello(loopback, { port, timeoutMs: 5_000, signal });
      assert.match("problem" in result ? result.problem : "answered", problem);
    }));

test("half an answer is none, and is not waited for", () =>
  saying(
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhal",
    async (port) => {
      const result = await hello(loopback, { port, timeoutMs: 50, signal });
      assert.equal("problem" in result ? result.problem : "", "no answer within 50 ms");
    },
    false,
  ));
