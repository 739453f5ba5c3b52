import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type Http2Server, type ServerHttp2Stream, createServer } from "node:http2";
import { type Socket, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Observer } from "../gen/observer/observer_pb.ts";
import {
  Code,
  ConnectError,
  connectTo,
  createClient,
  parseServerAddress,
  type ServerAddress,
  stream,
} from "./index.ts";
import { wire } from "./testing/proxy.ts";
import { flowsPath, flowsRequest, numbered, serveTest } from "./testing/service.ts";

const addresses: readonly (readonly [string, ServerAddress | undefined])[] = [
  ["unix:///run/tsilium/hubble.sock", { kind: "unix", path: "/run/tsilium/hubble.sock" }],
  ["unix:/run/hubble.sock", { kind: "unix", path: "/run/hubble.sock" }],
  ["localhost:4245", { kind: "tcp", host: "localhost", port: 4245, tls: false }],
  ["relay.kube-system", { kind: "tcp", host: "relay.kube-system", port: 4245, tls: false }],
  ["tls://10.0.0.1:443", { kind: "tcp", host: "10.0.0.1", port: 443, tls: true }],
  ["[fd00::1]:4244", { kind: "tcp", host: "fd00::1", port: 4244, tls: false }],
  ["tls://[fd00::1]", { kind: "tcp", host: "fd00::1", port: 4245, tls: true }],
  ["", undefined],
  ["unix://relative", undefined],
  ["host:0", undefined],
  ["host:65536", undefined],
  ["host:http", undefined],
  ["http://host:1", undefined],
  ["two words:1", undefined],
];
for (const [text, expected] of addresses) {
  test(`the address "${text}" ${expected ? "is read" : "is refused"}`, () => {
    if (expected) assert.deepEqual(parseServerAddress(text), expected);
    else assert.throws(() => parseServerAddress(text), /not a server's address/);
  });
}

test("a server that is away is UNAVAILABLE, in every kind of call, and reached when it is there", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-grpc-"));
  for (const address of [`unix://${folder}/none.sock`, "127.0.0.1:1"]) {
    using client = connectTo(address);
    await assert.rejects(client.connect(), { code: Code.Unavailable });
    await assert.rejects(status(client), { code: Code.Unavailable });
    const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
    await assert.rejects(reading, { code: Code.Unavailable });
  }
  rmSync(folder, { recursive: true });
});

test("a client connects again after its server was restarted", async () => {
  const first = await serveTest();
  await using line = await wire(`${first.folder}.sock`, first.socket);
  using client = connectTo(`unix://${first.folder}.sock`);
  assert.equal(await status(client), "test");
  await first[Symbol.asyncDispose]();
  await assert.rejects(status(client), { code: Code.Unavailable });
  mkdirSync(first.folder);
  const { serveGrpc } = await import("./index.ts");
  await using second = await serveGrpc({
    routes: (router) => router.service(Observer, { serverStatus: () => ({ version: "second" }) }),
    sockets: [{ unix: first.socket }],
  });
  assert.equal(await status(client), "second");
  assert.equal(second.connections, 1);
  assert.equal(line.connections, 1);
  await second.close();
  rmSync(first.folder, { recursive: true });
});

test("a connection that breaks ends its calls with UNAVAILABLE", async () => {
  await using server = await serveTest();
  await using line = await wire(join(server.folder, "line.sock"), server.socket);
  using client = connectTo(`unix://${server.folder}/line.sock`);
  const following = client.streamRaw(flowsPath, flowsRequest({ number: 3n, follow: true }), live());
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const _ of following) if (++seen === 3) line.cut();
    },
    { code: Code.Unavailable },
  );
  assert.equal(seen, 3);
});

test("a server that hangs is noticed, its calls end, and its connection is closed", async () => {
  await using server = await serveTest();
  await using line = await wire(join(server.folder, "line.sock"), server.socket);
  const pings = { pingIntervalMs: 100, pingTimeoutMs: 200 };
  using client = connectTo(`unix://${server.folder}/line.sock`, pings);
  const following = client.streamRaw(flowsPath, flowsRequest({ number: 1n, follow: true }), live());
  const reading = drain(following);
  await sleep(500);
  assert.equal(line.connections, 1, "one that answers stays");
  const begun = Date.now();
  const before = openPipes();
  line.hang();
  await assert.rejects(reading, { code: Code.Unavailable });
  assert(Date.now() - begun < 3000);
  await until(() => openPipes() < before);
  assert.equal(await status(client), "test", "a new connection works");
});

test("a server that takes the connection and says nothing is UNAVAILABLE after the dial's timeout", async () => {
  const accepted: Socket[] = [];
  const silent = createNetServer((socket) => accepted.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  // Plain HTTP/2 has no handshake to wait for: calls have deadlines, connections pings.
  using client = connectTo(`127.0.0.1:${port}`, { pingIntervalMs: 50, pingTimeoutMs: 100 });
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
  await assert.rejects(reading, { code: Code.Unavailable });
  for (const socket of accepted) socket.destroy();
  silent.close();
});

test("a call's own deadline and the client's are kept", async () => {
  const never = () => new Promise<never>(() => undefined);
  await using server = await serveTest({
    routes: (router) => router.service(Observer, { serverStatus: never }),
  });
  using client = connectTo(`unix://${server.socket}`, { callTimeoutMs: 100 });
  await assert.rejects(status(client), { code: Code.DeadlineExceeded });
  const own = createClient(Observer, client.transport).serverStatus({}, { timeoutMs: 20 });
  await assert.rejects(own, { code: Code.DeadlineExceeded });
});

test("an aborted signal ends a call before, during and while connecting", async () => {
  await using server = await serveTest();
  using client = connectTo(`unix://${server.socket}`);
  const over = AbortSignal.abort();
  await assert.rejects(drain(client.streamRaw(flowsPath, flowsRequest({}), over)), {
    code: Code.Canceled,
  });
  const reason = new ConnectError("relay stops", Code.Aborted);
  const leaving = new AbortController();
  const reading = drain(
    client.streamRaw(flowsPath, flowsRequest({ follow: true }), leaving.signal),
  );
  await sleep(50);
  leaving.abort(reason);
  await assert.rejects(reading, reason);
  // TEST-NET-1: nobody answers.
  using nowhere = connectTo("192.0.2.1:4245", { dialTimeoutMs: 60_000 });
  const dialing = new AbortController();
  const connecting = drain(nowhere.streamRaw(flowsPath, flowsRequest({}), dialing.signal));
  dialing.abort();
  await assert.rejects(connecting, { code: Code.Canceled });
});

test("an address that does not answer is UNAVAILABLE after the dial's timeout", async () => {
  using client = connectTo("192.0.2.1:4245", { dialTimeoutMs: 50 });
  await assert.rejects(client.connect(), { code: Code.Unavailable });
});

test("a server that sends garbage harms one call and nobody else", async () => {
  const garbage = createNetServer((socket) => {
    socket.on("error", () => undefined);
    socket.write(Buffer.alloc(1000, 0xa5));
  });
  await new Promise<void>((resolve) => garbage.listen(0, "127.0.0.1", resolve));
  const { port } = garbage.address() as { port: number };
  using client = connectTo(`127.0.0.1:${port}`);
  for (let round = 0; round < 3; round++) {
    await assert.rejects(status(client), { code: Code.Unavailable });
    const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
    await assert.rejects(reading, { code: Code.Unavailable });
    client.close();
  }
  // Errors that nobody listens to would come by now, and fail the test.
  await sleep(50);
  garbage.close();
});

test("a closed client's calls end with CANCELED, and a new call connects again", async () => {
  const never = () => new Promise<never>(() => undefined);
  await using server = await serveTest({
    routes: (router) => router.service(Observer, { serverStatus: never, getNodes: () => ({}) }),
  });
  using client = connectTo(`unix://${server.socket}`);
  const reading = drain(client.streamRaw(flowsPath, flowsRequest({ follow: true }), live()));
  const asking = status(client);
  await until(() => server.grpc.connections === 1);
  await sleep(50);
  client.close();
  await assert.rejects(reading, { code: Code.Canceled });
  await assert.rejects(asking, { code: Code.Canceled });
  await until(() => server.grpc.connections === 0);
  await createClient(Observer, client.transport).getNodes({});
});

test("a connection that died while nothing was asked is replaced at the next call", async () => {
  await using server = await serveTest();
  await using line = await wire(join(server.folder, "line.sock"), server.socket);
  const pings = { pingIntervalMs: 50, pingTimeoutMs: 100 };
  using client = connectTo(`unix://${server.folder}/line.sock`, pings);
  assert.equal(await status(client), "test");
  line.hang();
  await sleep(100);
  assert.equal(await status(client), "test");
});

const strange: readonly (readonly [string, (server: Http2Server) => void, Code])[] = [
  ["HTTP 404", (server) => respond(server, { ":status": 404 }), Code.Unimplemented],
  ["HTTP 503", (server) => respond(server, { ":status": 503 }), Code.Unavailable],
  [
    "HTML",
    (server) => respond(server, { ":status": 200, "content-type": "text/html" }),
    Code.Unknown,
  ],
  ["no status", (server) => respond(server, grpcHeaders), Code.Unknown],
  [
    "a status alone",
    (server) => respond(server, { ...grpcHeaders, "grpc-status": "7", "grpc-message": "no%20%zz" }),
    Code.PermissionDenied,
  ],
  [
    "a status of nonsense",
    (server) => respond(server, { ...grpcHeaders, "grpc-status": "x" }),
    Code.Unknown,
  ],
  [
    "half a message",
    (server) => respond(server, grpcHeaders, new Uint8Array([0, 0, 0, 0, 5, 1])),
    Code.Unknown,
  ],
  ["a reset", (server) => server.on("stream", (call) => call.close(2)), Code.Internal],
  ["a refused stream", (server) => server.on("stream", (call) => call.close(7)), Code.Unavailable],
];
for (const [sentence, prepare, code] of strange) {
  test(`${sentence} for an answer is ${Code[code]}`, async () => {
    const server = createServer();
    server.on("stream", (call) => call.on("error", () => undefined));
    prepare(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    using client = connectTo(`127.0.0.1:${port}`);
    const reading = drain(client.streamRaw(flowsPath, flowsRequest({}), live()));
    await assert.rejects(reading, { code });
    client.close();
    server.close();
  });
}

test("two calls at once share one connection", async () => {
  await using server = await serveTest({ streams: [counting()] });
  using client = connectTo(`unix://${server.socket}`);
  const calls = Array.from({ length: 5 }, () =>
    drain(client.streamRaw(flowsPath, flowsRequest({ number: 1000n }), live())),
  );
  assert.deepEqual(await Promise.all(calls), [1000, 1000, 1000, 1000, 1000]);
  assert.equal(server.grpc.connections, 1);
});

function counting() {
  return stream(Observer.method.getFlows, async ({ number }, out) => {
    for (let index = 0; index < number; index++) await out.write(numbered(index));
  });
}

/** Sockets of this process, unix ones. */
const openPipes = () =>
  process.getActiveResourcesInfo().filter((kind) => kind === "PipeWrap").length;

const grpcHeaders = { ":status": 200, "content-type": "application/grpc" };

function respond(
  server: Http2Server,
  headers: Record<string, string | number>,
  body?: Uint8Array,
): void {
  server.on("stream", (call) => {
    (call as ServerHttp2Stream).respond(headers);
    call.end(body);
  });
}

async function status(client: ReturnType<typeof connectTo>): Promise<string> {
  return (await createClient(Observer, client.transport).serverStatus({})).version;
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
