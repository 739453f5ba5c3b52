import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type IncomingHttpHeaders, connect } from "node:http2";
import { connect as connectNet, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { framed } from "./frame.ts";
import {
  Code,
  ConnectError,
  type ServerIncident,
  type ServerStream,
  connectTo,
  createClient,
  serveGrpc,
  stream,
} from "./index.ts";
import { Observer } from "../gen/observer/observer_pb.ts";
import { flowsPath, flowsRequest, numbered, serveTest } from "./testing/service.ts";
import { wire } from "./testing/proxy.ts";

test("a unix socket is for its owner alone, and goes when the server goes", async () => {
  const server = await serveTest();
  assert.equal(statSync(server.socket).mode & 0o777, 0o600);
  assert.deepEqual(
    readdirSync(server.folder),
    ["hubble.sock"],
    "nothing else is left in the folder",
  );
  await server.grpc.close();
  assert(!existsSync(server.socket));
  await server[Symbol.asyncDispose]();
});

test("a socket that a dead process left is replaced, one of a living process is not", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-grpc-"));
  const path = join(folder, "hubble.sock");
  const routes = () => undefined;
  // A socket file without a listener: moved away before its server closes, which would remove it.
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(join(folder, "dead"), resolve));
  const { renameSync } = await import("node:fs");
  renameSync(join(folder, "dead"), path);
  await new Promise((resolve) => dead.close(resolve));
  assert(existsSync(path));

  await using server = await serveGrpc({ routes, sockets: [{ unix: path }] });
  await assert.rejects(serveGrpc({ routes, sockets: [{ unix: path }] }), { code: "EADDRINUSE" });
  assert(existsSync(path), "the living one's socket is untouched");
  writeFileSync(join(folder, "file"), "precious");
  const onFile = serveGrpc({ routes, sockets: [{ unix: join(folder, "file") }] });
  await assert.rejects(onFile, { code: "EEXIST" });
  await server.close();
  rmSync(folder, { recursive: true });
});

test("an address that cannot be had leaves no socket open", async () => {
  await using server = await serveTest();
  const other = join(server.folder, "other.sock");
  const sockets = [{ unix: other }, { unix: server.socket }];
  await assert.rejects(serveGrpc({ routes: () => undefined, sockets }), { code: "EADDRINUSE" });
  assert(!existsSync(other));
});

const refusals: readonly (readonly [
  sentence: string,
  headers: Record<string, string>,
  body: Uint8Array | undefined,
  expected: Record<string, string | number>,
])[] = [
  ["a GET", { ":method": "GET" }, undefined, { ":status": 405 }],
  ["another content type", { "content-type": "application/json" }, undefined, { ":status": 415 }],
  ["gRPC-Web", { "content-type": "application/grpc-web+proto" }, undefined, { ":status": 415 }],
  [
    "an unknown method",
    { ":path": "/observer.Observer/Nothing" },
    undefined,
    { "grpc-status": "12" },
  ],
  [
    "compression that we do not speak",
    { "grpc-encoding": "gzip" },
    undefined,
    { "grpc-status": "12" },
  ],
  ["a timeout that is none", { "grpc-timeout": "soon" }, undefined, { "grpc-status": "3" }],
  ["a request of no message", {}, new Uint8Array(), { "grpc-status": "12" }],
  [
    "two requests",
    {},
    Buffer.concat([framed(new Uint8Array()), framed(new Uint8Array())]),
    { "grpc-status": "12" },
  ],
  ["a request that is cut off", {}, new Uint8Array([0, 0, 0, 0, 9, 1]), { "grpc-status": "13" }],
  ["a compressed message", {}, new Uint8Array([1, 0, 0, 0, 0]), { "grpc-status": "13" }],
  [
    "a request of four gigabytes",
    {},
    new Uint8Array([0, 255, 255, 255, 255, 1]),
    { "grpc-status": "8" },
  ],
  ["a request that is no such message", {}, framed(new Uint8Array([0xff])), { "grpc-status": "3" }],
  [
    "a strange authority",
    { ":authority": "[[[" },
    framed(new Uint8Array()),
    { "grpc-status": "0" },
  ],
];
for (const [sentence, headers, body, expected] of refusals) {
  for (const path of [flowsPath, "/observer.Observer/ServerStatus"]) {
    const name = path.split("/").at(-1);
    if (headers[":path"] !== undefined && path !== flowsPath) continue;
    test(`${sentence} is answered with ${JSON.stringify(expected)} (${name})`, async () => {
      await using server = await serveTest();
      const answer = await rawCall(server.socket, { ":path": path, ...headers }, body);
      for (const [key, value] of Object.entries(expected)) {
        // connect's router words some refusals otherwise; refused they are.
        const grpcCode = key === "grpc-status" && path !== flowsPath && value !== "0";
        if (grpcCode) assert.match(String(answer[key]), /^([1-9]|1\d)$/);
        else assert.equal(answer[key], value);
      }
    });
  }
}

test("an error of a handler is told by its code and text, an accident only to the log", async () => {
  const incidents: ServerIncident[] = [];
  await using server = await serveTest({ onIncident: (incident) => incidents.push(incident) });
  using client = connectTo(`unix://${server.socket}`);
  const request = flowsRequest({ number: 1_000_000n });
  await assert.rejects(drain(client.streamRaw(flowsPath, request, live())), {
    code: Code.OutOfRange,
    rawMessage: "zu viel: 100% é\n",
  });
  await assert.rejects(createClient(Observer, client.transport).getNodes({}), {
    code: Code.Internal,
    rawMessage: "internal error",
  });
  await assert.rejects(createClient(Observer, client.transport).getNamespaces({}), {
    code: Code.Unimplemented,
  });
  assert.deepEqual(
    incidents.map(({ message, error }) => [message, (error as Error).message]),
    [["the call /observer.Observer/GetNodes failed", "a secret"]],
  );
});

test("a handler learns that its client is gone", async () => {
  const reasons: unknown[] = [];
  await using server = await serveTest({ streams: [following(reasons)] });
  using client = connectTo(`unix://${server.socket}`);
  const leaving = new AbortController();
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), leaving.signal));
  await until(() => reasons.length === 1);
  leaving.abort();
  await assert.rejects(reading, { code: Code.Canceled });
  await until(() => reasons.length === 2);
  assert.equal((reasons[1] as ConnectError).code, Code.Canceled);
});

test("leaving the loop cancels the call, and the connection serves the next one", async () => {
  const reasons: unknown[] = [];
  await using server = await serveTest({ streams: [following(reasons)] });
  using client = connectTo(`unix://${server.socket}`);
  for (const round of [1, 2]) {
    for await (const message of client.streamRaw(flowsPath, flowsRequest({}), live())) {
      assert.deepEqual(message, Buffer.from(numbered(0)));
      break;
    }
    await until(() => reasons.length === 2 * round);
  }
  assert.equal(server.grpc.connections, 1);
});

test("a deadline ends the call on both sides", async () => {
  const reasons: unknown[] = [];
  await using server = await serveTest({ streams: [following(reasons)] });
  const headers = { ":path": flowsPath, "grpc-timeout": "50m" };
  const answer = await rawCall(server.socket, headers, framed(flowsRequest({})));
  assert.equal(answer["grpc-status"], "4");
  await until(() => reasons.length === 2);
  assert.equal((reasons[1] as ConnectError).code, Code.DeadlineExceeded);
});

test("a slow reader slows the writer down, and memory stays bounded", async () => {
  let written = 0;
  const flood = async (_: unknown, out: ServerStream) => {
    for (; written < 100_000; written++) await out.write(numbered(written, 1000));
  };
  await using server = await serveTest({ streams: [stream(Observer.method.getFlows, flood)] });
  using client = connectTo(`unix://${server.socket}`);
  let read = 0;
  let aheadAtMost = 0;
  for await (const batch of client.streamBatches(flowsPath, flowsRequest({}), live())) {
    if (read === 0) await sleep(300);
    read += batch.length;
    aheadAtMost = Math.max(aheadAtMost, written - read);
    if (read > 20_000) break;
  }
  // The window of the stream (256 KiB) and a few blocks.
  assert(aheadAtMost < 1000, `${aheadAtMost} messages ahead`);
  assert(aheadAtMost > 100, `${aheadAtMost} messages ahead: no streaming at all`);
});

test("a handler that does not wait for a slow reader is stopped", async () => {
  let failure: unknown;
  const flood = async (_: unknown, out: ServerStream) => {
    try {
      for (let number = 0; number < 100_000; number++) void out.write(numbered(number, 1000));
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  await using server = await serveTest({ streams: [stream(Observer.method.getFlows, flood)] });
  using client = connectTo(`unix://${server.socket}`);
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
  await assert.rejects(reading, { code: Code.ResourceExhausted });
  assert.equal((failure as ConnectError).code, Code.ResourceExhausted);
});

test("messages of every size arrive whole and in order", async () => {
  const sizes = [
    0, 1, 100, 16_379, 16_384, 65_530, 65_531, 65_536, 70_000, 1_000_000, 3, 4_000_000,
  ];
  const send = async (_: unknown, out: ServerStream) => {
    for (const [index, size] of sizes.entries()) await out.write(new Uint8Array(size).fill(index));
  };
  await using server = await serveTest({ streams: [stream(Observer.method.getFlows, send)] });
  using client = connectTo(`unix://${server.socket}`);
  const seen: number[] = [];
  for await (const message of client.streamRaw(flowsPath, flowsRequest({}), live())) {
    assert(message.every((byte) => byte === seen.length));
    seen.push(message.length);
  }
  assert.deepEqual(seen, sizes);
});

test("a message beyond the client's limit ends the call", async () => {
  const send = async (_: unknown, out: ServerStream) => out.write(new Uint8Array(5_000_000));
  await using server = await serveTest({ streams: [stream(Observer.method.getFlows, send)] });
  using client = connectTo(`unix://${server.socket}`);
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
  await assert.rejects(reading, { code: Code.ResourceExhausted });
});

test("shutting down ends streams with UNAVAILABLE and lets nobody in", async () => {
  const reasons: unknown[] = [];
  await using server = await serveTest({ streams: [following(reasons)] });
  using client = connectTo(`unix://${server.socket}`);
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
  await until(() => reasons.length === 1);
  const begun = Date.now();
  await Promise.all([
    server.grpc.close({ graceMs: 5000 }),
    assert.rejects(reading, { code: Code.Unavailable, rawMessage: "the server shuts down" }),
  ]);
  assert(Date.now() - begun < 4000, "nothing had to be cut");
  assert.equal(server.grpc.connections, 0);
  await assert.rejects(client.connect(), { code: Code.Unavailable });
});

test("a handler that ignores the shutdown is cut off after the grace", async () => {
  const stubborn = () => new Promise<void>(() => undefined);
  await using server = await serveTest({ streams: [stream(Observer.method.getFlows, stubborn)] });
  const session = connect("http://localhost", { createConnection: () => dialUnix(server.socket) });
  session.on("error", () => undefined);
  // A request that never ends keeps its stream open.
  const call = session.request({
    ":method": "POST",
    ":path": flowsPath,
    "content-type": "application/grpc",
  });
  call.on("error", () => undefined);
  await until(() => server.grpc.connections === 1);
  await sleep(50);
  const begun = Date.now();
  await server.grpc.close({ graceMs: 200 });
  assert(Date.now() - begun < 2000);
  session.destroy();
});

test("connections beyond the limit are turned away, and get in when there is room", async () => {
  await using server = await serveTest({ limits: { maxConnections: 2 } });
  const clients = [1, 2].map(() => connectTo(`unix://${server.socket}`));
  for (const client of clients) await createClient(Observer, client.transport).serverStatus({});
  using third = connectTo(`unix://${server.socket}`);
  await assert.rejects(createClient(Observer, third.transport).serverStatus({}));
  clients[0]?.close();
  await until(() => server.grpc.connections === 1);
  await createClient(Observer, third.transport).serverStatus({});
  clients[1]?.close();
});

test("calls beyond a connection's limit wait for the others", async () => {
  const reasons: unknown[] = [];
  const streams = [following(reasons)];
  await using server = await serveTest({ streams, limits: { maxStreams: 2 } });
  using client = connectTo(`unix://${server.socket}`);
  const leaving = new AbortController();
  const readings = [1, 2].map(() =>
    drain(client.streamRaw(flowsPath, flowsRequest({}), leaving.signal)).catch(() => undefined),
  );
  await until(() => reasons.length === 2);
  const status = () => createClient(Observer, client.transport).serverStatus({});
  const waiting = status().catch(() => undefined);
  assert.equal(await Promise.race([waiting, sleep(100, "waits")]), "waits");
  leaving.abort();
  await Promise.all(readings);
  await waiting;
  await until(() => reasons.length === 4);
  assert.equal((await status()).version, "test");
});

test("a client that stops to answer is let go of", async () => {
  const reasons: unknown[] = [];
  const limits = { pingIntervalMs: 50, pingTimeoutMs: 100 };
  await using server = await serveTest({ streams: [following(reasons)], limits });
  await using line = await wire(join(server.folder, "line.sock"), server.socket);
  using client = connectTo(`unix://${server.folder}/line.sock`);
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
  reading.catch(() => undefined);
  await until(() => reasons.length === 1);
  await sleep(300);
  assert.equal(server.grpc.connections, 1, "one that answers stays");
  line.hang();
  await until(() => reasons.length === 2 && server.grpc.connections === 0);
  assert.equal((reasons[1] as ConnectError).code, Code.Canceled);
});

test("a connection without calls is closed in time", async () => {
  await using server = await serveTest({ limits: { idleTimeoutMs: 60 } });
  using client = connectTo(`unix://${server.socket}`);
  await createClient(Observer, client.transport).serverStatus({});
  await until(() => server.grpc.connections === 0);
  await createClient(Observer, client.transport).serverStatus({});
});

test("health is told per service, and watched", async () => {
  await using server = await serveTest();
  const { grpc } = server;
  assert.deepEqual(grpc.health.services, ["", "observer.Observer"]);
  const { Health } = await import("../gen/grpc/health/v1/health_pb.ts");
  using connection = connectTo(`unix://${server.socket}`);
  const client = createClient(Health, connection.transport);
  assert.equal((await client.check({})).status, 1);
  assert.equal((await client.check({ service: "observer.Observer" })).status, 1);
  await assert.rejects(client.check({ service: "peer.Peer" }), { code: Code.NotFound });
  const seen: number[] = [];
  const leaving = new AbortController();
  const watching = (async () => {
    const options = { signal: leaving.signal };
    for await (const { status } of client.watch({ service: "peer.Peer" }, options))
      seen.push(status);
  })();
  await until(() => seen.length === 1);
  grpc.health.set("peer.Peer", false);
  await until(() => seen.length === 2);
  grpc.health.set("peer.Peer", true);
  await until(() => seen.length === 3);
  assert.deepEqual(seen, [3, 2, 1]);
  assert.deepEqual(Object.keys((await client.list({})).statuses), [
    "",
    "observer.Observer",
    "peer.Peer",
  ]);
  leaving.abort();
  await assert.rejects(watching, { code: Code.Canceled });
});

/** Pushes when a call begins, and the reason when it is over; streams one message. */
function following(reasons: unknown[]) {
  return stream(Observer.method.getFlows, async (_, out) => {
    reasons.push("begun");
    await out.write(numbered(0));
    await new Promise<void>((resolve) => out.signal.addEventListener("abort", () => resolve()));
    reasons.push(out.signal.reason);
  });
}

async function drain(messages: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of messages) count++;
  return count;
}

const live = () => new AbortController().signal;

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    assert(waited < 10_000, `never: ${condition}`);
    await sleep(5);
  }
}

const dialUnix = (path: string) => connectNet({ path });

/** One call by node:http2 alone; headers and trailers of the answer together. */
async function rawCall(
  socket: string,
  headers: Record<string, string>,
  body: Uint8Array | undefined,
): Promise<IncomingHttpHeaders> {
  const session = connect("http://localhost", { createConnection: () => dialUnix(socket) });
  try {
    const call = session.request({
      ":method": "POST",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const answer: IncomingHttpHeaders = {};
    call.on("response", (received) => Object.assign(answer, received));
    call.on("trailers", (received) => Object.assign(answer, received));
    call.end(body);
    call.resume();
    await new Promise((resolve, reject) => call.once("close", resolve).once("error", reject));
    return answer;
  } finally {
    session.close();
  }
}
