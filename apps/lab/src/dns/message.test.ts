import assert from "node:assert/strict";
import { test } from "node:test";
import { type DnsRecord, type Query, rcodes, types } from "./message.ts";
import { parseName } from "./name.ts";
import { parseQuery } from "./read-message.ts";
import { encodeAnswer, udpLimit } from "./write-message.ts";
import { emptyAnswer, respond } from "./resolver.ts";
import { randomBytes, sequence } from "../testing/random.ts";

/** A query as resolvers send it: one question, recursion desired, optionally EDNS. */
function queryBytes(
  name: string,
  type: number,
  options: { id?: number; edns?: number; flags?: number } = {},
): Buffer {
  const { id = 0x1234, edns, flags = 0x0100 } = options;
  const labels = name.split(".").filter(Boolean);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10);
  const encoded = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label, "latin1")]),
  );
  const opt =
    edns === undefined ? [] : [Buffer.from([0, 0, 41, edns >> 8, edns & 0xff, 0, 0, 0, 0, 0, 0])];
  return Buffer.concat([header, ...encoded, Buffer.from([0, 0, type, 0, 1]), ...opt]);
}

function parsed(bytes: Uint8Array): Query {
  const result = parseQuery(bytes);
  assert.equal(result.kind, "query");
  return (result as Extract<typeof result, { kind: "query" }>).query;
}

test("a query is read with its name in lower case, and its question goes back as it came", () => {
  const bytes = queryBytes("WeB.Default.svc.cluster.local", types.A);
  const query = parsed(bytes);
  assert.deepEqual(query.question, {
    name: ["web", "default", "svc", "cluster", "local"],
    type: 1,
    class: 1,
  });
  const answer = encodeAnswer(query, emptyAnswer(rcodes.ok), 512);
  assert.deepEqual(Buffer.from(answer.subarray(12)), bytes.subarray(12));
});

const refused: readonly (readonly [what: string, bytes: Uint8Array, kind: string])[] = [
  ["an empty datagram", new Uint8Array(0), "ignore"],
  ["eleven bytes", new Uint8Array(11), "ignore"],
  ["an answer", queryBytes("a", 1, { flags: 0x8100 }), "ignore"],
  ["another opcode", queryBytes("a", 1, { flags: 0x2800 }), "error"],
  ["a name that points to itself", withBytes(queryBytes("", 1), 12, [0xc0, 12]), "error"],
  ["a label that leads beyond the end", withBytes(queryBytes("a", 1), 12, [63]), "error"],
  ["a question that is cut off", queryBytes("a.b", 1).subarray(0, 17), "error"],
  ["two questions", withBytes(queryBytes("a", 1), 4, [0, 2]), "error"],
  ["an additional record that is not there", withBytes(queryBytes("a", 1), 10, [0, 1]), "error"],
  ["a name of more than 255 bytes", queryBytes(Array(64).fill("abcd").join("."), 1), "error"],
];

for (const [what, bytes, kind] of refused) {
  test(`${what} is ${kind === "ignore" ? "ignored" : "answered with an error"}`, () => {
    assert.equal(parseQuery(bytes).kind, kind);
  });
}

test("a UDP answer is as large as the client says, and never larger than 1232 bytes", () => {
  assert.equal(udpLimit(parsed(queryBytes("a", 1))), 512);
  assert.equal(udpLimit(parsed(queryBytes("a", 1, { edns: 100 }))), 512);
  assert.equal(udpLimit(parsed(queryBytes("a", 1, { edns: 1000 }))), 1000);
  assert.equal(udpLimit(parsed(queryBytes("a", 1, { edns: 65535 }))), 1232);
});

test("an answer that does not fit is cut to its question and says so", () => {
  const query = parsed(queryBytes("many.test", types.A));
  const answers: DnsRecord[] = Array.from({ length: 100 }, (_, at) => ({
    name: ["many", "test"],
    ttl: 5,
    type: "A",
    address: Uint8Array.of(10, 0, 0, at),
  }));
  const whole = encodeAnswer(query, { ...emptyAnswer(rcodes.ok), answers }, 65535);
  assert.equal(whole.length, 12 + 15 + 100 * 16);
  const cut = encodeAnswer(query, { ...emptyAnswer(rcodes.ok), answers }, 512);
  const view = new DataView(cut.buffer, cut.byteOffset, cut.byteLength);
  assert.equal(view.getUint16(2) & 0x0200, 0x0200);
  assert.deepEqual([view.getUint16(4), view.getUint16(6)], [1, 0]);
});

test("names are compared without case and trailing dot", () => {
  assert.deepEqual(parseName("A.b.C."), ["a", "b", "c"]);
});

const source = {
  answer: ({ question }: Query) =>
    question.name.at(-1) === "ours" ? emptyAnswer(rcodes.noSuchName) : undefined,
  forward: async () => undefined,
};

test("ten thousand broken messages are refused or answered, never thrown on", async () => {
  const { seed, next } = sequence();
  const good = [
    queryBytes("web.default.svc.cluster.local", 1, { edns: 1232 }),
    queryBytes("_http._tcp.web.ours", 33),
    queryBytes("4.3.2.1.in-addr.arpa", 12),
  ];
  for (let round = 0; round < 10_000; round++) {
    const base = good[next(good.length)] as Buffer;
    const bytes = round % 4 === 0 ? randomBytes(next, next(64)) : Buffer.from(base);
    for (let flips = next(4); flips > 0 && bytes.length > 0; flips--)
      bytes[next(bytes.length)] = next(256);
    const cut = bytes.subarray(0, next(3) === 0 ? next(bytes.length + 1) : bytes.length);
    const answer = await respond(cut, next(2) === 0 ? "udp" : "tcp", source);
    if (answer === undefined) continue;
    const where = `seed ${seed}, round ${round}: ${cut.toString("hex")}`;
    assert.ok(answer.length >= 12, where);
    assert.deepEqual([answer[0], answer[1]], [cut[0], cut[1]], where);
    assert.ok(((answer[2] as number) & 0x80) !== 0, where);
  }
});

function withBytes(bytes: Buffer, at: number, patch: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(patch, at);
  return copy;
}
