// What one client may cost a server, whatever it sends.
import assert from "node:assert/strict";
import { type ClientHttp2Session, type IncomingHttpHeaders, connect } from "node:http2";
import { connect as connectNet } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Observer } from "../gen/observer/observer_pb.ts";
import { framed, writeHead } from "./frame.ts";
import { connectTo, createClient, stream } from "./index.ts";
import { flowsPath, serveTest } from "./testing/service.ts";

const statusPath = "/observer.Observer/ServerStatus";
const megabyte = 1024 * 1024;
/** Fields 6 and 10, 999 of a request and 19 of a filter, empty. */
const emptyFilter = [0x32, 0x00];
const emptyPath = [0x0a, 0x00];
const unknown = [0xb8, 0x3e, 0x00];

const requests: readonly (readonly [
  sentence: string,
  path: string,
  request: Uint8Array,
  status: string,
])[] = [
  ["a request with many filters", flowsPath, many(emptyFilter, 500), "0"],
  ["one that would become gigabytes of filters", flowsPath, many(emptyFilter, 400_000), "8"],
  ["one of filters in filters", flowsPath, inside(0x32, many([0x32, 0x00], 200_000)), "8"],
  ["one of paths in a mask", flowsPath, inside(0x52, many(emptyPath, 300_000)), "8"],
  ["one of fields that nobody knows", flowsPath, many(unknown, 300_000), "8"],
  ["one of several megabytes", flowsPath, inside(0x2a, new Uint8Array(3 * megabyte)), "8"],
  ["a question of several megabytes", statusPath, many(unknown, megabyte), "8"],
  ["a question of fields that nobody knows", statusPath, many(unknown, 1_000), "0"],
];
for (const [sentence, path, request, status] of requests)
  test(`requests that grow when they are read: ${sentence} is answered with ${status}`, async () => {
    await using server = await serveTest();
    using session = open(server.socket);
    const { stream: call, answer } = begin(session, path);
    call.end(framed(request));
    assert.equal((await answer)["grpc-status"], status);
  });

test("requests that never end: all of them together hold so much and no more", async () => {
  await using server = await serveTest({ limits: { maxPendingBytes: 2 * megabyte } });
  using session = open(server.socket);
  const head = new Uint8Array(5 + megabyte / 2);
  writeHead(head, 0, megabyte);
  const calls = Array.from({ length: 6 }, () => begin(session, flowsPath));
  for (const call of calls) call.stream.write(head);
  const ended = calls.map(({ answer }) => answer.then((headers) => headers["grpc-status"]));
  const first = await Promise.race(ended);
  assert.equal(first, "8");
  const waiting = async () => {
    const states = await Promise.all(ended.map((each) => Promise.race([each, "waits"])));
    return states.filter((state) => state === "waits").length;
  };
  // What is over the limit is refused as soon as it is read; what fits in waits for ever.
  while ((await waiting()) > 3) await sleep(10);
  await sleep(50);
  assert.equal(await waiting(), 3);
  for (const { stream: call } of calls) call.close(8);
  // What they held is free again.
  const { stream: last, answer } = begin(session, flowsPath);
  last.end(framed(inside(0x52, inside(0x0a, new Uint8Array(10)))));
  assert.notEqual((await answer)["grpc-status"], "8");
});

test("thousands of streams: beyond the limit they are refused at once, and questions are answered", async () => {
  let begun = 0;
  const streams = [
    stream(Observer.method.getFlows, async (_, out) => {
      begun++;
      await new Promise<void>((resolve) => out.signal.addEventListener("abort", () => resolve()));
    }),
  ];
  await using server = await serveTest({ streams, limits: { maxStreamCalls: 3 } });
  using session = open(server.socket);
  const calls = Array.from({ length: 8 }, () => begin(session, flowsPath));
  for (const call of calls) call.stream.end(framed(new Uint8Array()));
  const statuses = calls.map(({ answer }) => answer.then((headers) => headers["grpc-status"]));
  await until(() => begun === 3);
  assert.deepEqual(await Promise.all(statuses.slice(3)), ["8", "8", "8", "8", "8"]);
  using client = connectTo(`unix://${server.socket}`);
  assert.equal((await createClient(Observer, client.transport).serverStatus({})).version, "test");
  calls[0]?.stream.close(8);
  await sleep(20);
  begin(session, flowsPath).stream.end(framed(new Uint8Array()));
  await until(() => begun === 4);
});

test("by default one connection carries more streams than relay has clients", async () => {
  let begun = 0;
  const streams = [
    stream(Observer.method.getFlows, async (_, out) => {
      begun++;
      await new Promise<void>((resolve) => out.signal.addEventListener("abort", () => resolve()));
    }),
  ];
  await using server = await serveTest({ streams });
  using client = connectTo(`unix://${server.socket}`);
  const leaving = new AbortController();
  const readings = Array.from({ length: 300 }, async () => {
    for await (const _ of client.streamRaw(flowsPath, new Uint8Array(), leaving.signal)) break;
  });
  const all = Promise.allSettled(readings);
  await until(() => begun === 300);
  // Relay takes a node that does not answer this for dead.
  assert.equal((await createClient(Observer, client.transport).serverStatus({})).version, "test");
  leaving.abort();
  await all;
});

function many(field: readonly number[], times: number): Uint8Array {
  return Buffer.alloc(field.length * times, Uint8Array.from(field));
}

/** A field with a length of its own around others. */
function inside(tag: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let left = body.length; ; left >>>= 7) {
    length.push(left > 127 ? (left & 127) | 128 : left);
    if (left <= 127) break;
  }
  return Buffer.concat([Uint8Array.from([tag, ...length]), body]);
}

function open(socket: string): ClientHttp2Session & Disposable {
  const session = connect("http://localhost", {
    createConnection: () => connectNet({ path: socket }),
  });
  session.on("error", () => undefined);
  return Object.assign(session, { [Symbol.dispose]: () => session.destroy() });
}

/** `answer`: its headers and trailers together, once there are both. */
function begin(session: ClientHttp2Session, path: string) {
  const call = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  call.on("error", () => undefined);
  const answer = new Promise<IncomingHttpHeaders>((resolve) => {
    const headers: IncomingHttpHeaders = {};
    const note = (received: IncomingHttpHeaders) => {
      Object.assign(headers, received);
      if (headers["grpc-status"] !== undefined) resolve(headers);
    };
    call.on("response", note).on("trailers", note);
  });
  call.resume();
  return { stream: call, answer };
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    assert(waited < 10_000, `never: ${condition}`);
    await sleep(5);
  }
}
