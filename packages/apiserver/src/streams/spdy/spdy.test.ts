import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { constants, deflateSync, inflateSync } from "node:zlib";
import { SpdyConnection, type SpdyStream } from "./connection.ts";
import { dictionary } from "./dictionary.ts";
import { encodeControl, encodeData, FrameReader, SpdyError, types, words } from "./frames.ts";
import { encodeHeaders, HeaderInflater, HeaderStorer, parseHeaders } from "./headers.ts";

/** The first block of a direction, as a client compresses it. */
function compressed(headers: Record<string, string>): Buffer {
  return deflateSync(encodeHeaders(new Map(Object.entries(headers))), {
    dictionary,
    finishFlush: constants.Z_SYNC_FLUSH,
  });
}

const streamHeaders = { streamtype: "stdout" };
const synStream = (id: number, block: Buffer, flags = 0) =>
  encodeControl(types.synStream, Buffer.concat([words(id, 0), Buffer.alloc(2), block]), flags);

/** Two ends of a connection in this process. */
function pair(): { readonly server: Duplex; readonly client: Duplex } {
  const [server, client] = duplexPair();
  return { server, client };
}

async function read(client: Duplex, count: number): Promise<string[]> {
  const reader = new FrameReader();
  const frames: string[] = [];
  for await (const chunk of client.iterator({ destroyOnReturn: false }))
    for (const frame of reader.push(chunk as Buffer)) {
      frames.push(
        frame.kind === "data"
          ? `data ${frame.stream} ${frame.flags} ${frame.payload.toString()}`
          : `control ${frame.type} ${frame.payload.length >= 4 ? frame.payload.readUInt32BE(0) : ""}`,
      );
      if (frames.length === count) return frames;
    }
  return frames;
}

test("the dictionary is SPDY/3's, by its length and Adler-32", () => {
  let [a, b] = [1, 0];
  for (const byte of dictionary) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  assert.deepEqual([dictionary.length, a + b * 65_536], [1423, 0xe3c6a7c2]);
});

test("header blocks of one direction share a stream, in both directions", async () => {
  using inflater = new HeaderInflater();
  const storer = new HeaderStorer();
  for (const headers of [new Map([["a", "1"]]), new Map(), new Map([["port", "80"]])]) {
    const block = storer.wrap(encodeHeaders(headers));
    assert.deepEqual(parseHeaders(await inflater.read(block)), headers);
  }
  const one = new HeaderStorer().wrap(Buffer.from("abc"));
  assert.equal(inflateSync(one, { finishFlush: constants.Z_SYNC_FLUSH }).toString(), "abc");
});

test("a block that is longer than any client's is refused while it is inflated", async () => {
  using inflater = new HeaderInflater();
  const bomb = deflateSync(Buffer.alloc(50_000_000), { finishFlush: constants.Z_SYNC_FLUSH });
  await assert.rejects(inflater.read(bomb), SpdyError);
});

test("a stream is answered, read, written and half-closed; pings come back", async () => {
  const { server, client } = pair();
  const connection = new SpdyConnection(server);
  const heard: string[] = [];
  let stream: SpdyStream | undefined;
  const running = connection.run((opened) => {
    stream = opened;
    return {
      data: (bytes) => void heard.push(`${opened.headers.get("streamtype")}: ${bytes}`),
      end: () => void heard.push("end"),
    };
  });
  client.write(synStream(1, compressed(streamHeaders)));
  client.write(encodeControl(types.ping, words(7)));
  client.write(encodeData(1, Buffer.from("in")));
  client.write(encodeData(1, Buffer.alloc(0), 1));
  assert.deepEqual(await read(client, 2), ["control 2 1", "control 6 7"]);
  await stream?.write(Buffer.from("out"));
  await stream?.end();
  connection.close();
  assert.deepEqual(await read(client, 3), ["data 1 0 out", "data 1 1 ", "control 7 1"]);
  client.end();
  await running;
  assert.deepEqual(heard, ["stdout: in", "end"]);
});

for (const [what, bytes] of [
  ["another version", encodeControl(types.ping, words(1)).fill(0x80, 0, 1).fill(9, 1, 2)],
  ["a frame beyond reason", Buffer.from([0, 0, 0, 1, 0, 255, 255, 255])],
  ["a stream number that goes back", Buffer.concat([synStream(2, compressed(streamHeaders))])],
  ["headers that are no zlib stream", synStream(1, Buffer.from("what?"))],
  ["a SYN_STREAM that is cut off", encodeControl(types.synStream, words(1))],
] as const) {
  test(`${what} ends the connection, and nothing else`, async () => {
    const { server, client } = pair();
    client.on("error", () => {});
    client.write(bytes);
    await new SpdyConnection(server).run(() => ({ data() {}, end() {} }));
    assert.ok(server.destroyed);
  });
}

test("bytes of chance end a connection or are waited for; they never throw", async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  for (let round = 0; round < 200; round++) {
    const { server, client } = pair();
    client.on("error", () => {});
    const frames = [synStream(1, compressed(streamHeaders)), encodeData(1, Buffer.from("x"))];
    const bytes = Buffer.concat(frames);
    for (let flips = 0; flips < 1 + (round % 5); flips++) bytes[random(bytes.length)] = random(256);
    client.end(bytes);
    await new SpdyConnection(server).run(() => ({ data() {}, end() {} }));
  }
});
