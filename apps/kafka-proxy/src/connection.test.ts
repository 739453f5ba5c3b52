import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { KafkaRule } from "@tsilium/policy/model.ts";
import {
  all,
  array,
  compact,
  compactArray,
  fetch12,
  fetch13,
  framed,
  idText,
  int16,
  int32,
  int8,
  metadata12,
  noTags,
  produce9,
  request,
  string,
  uuid,
  varint,
} from "@tsilium/kafka/testing/bytes.ts";
import { parseRequest } from "@tsilium/kafka";
import { HeldBytes } from "./held-bytes.ts";
import { Pair } from "./testing/pair.ts";
import { ruleSetOf } from "./testing/rules.ts";
import { toBeAwaited } from "./waiting-answers.ts";

const open = (...rules: readonly Partial<KafkaRule>[]): Promise<Pair> =>
  Pair.open(ruleSetOf(rules));
const correlationOf = (answer: Buffer | undefined): number | undefined => answer?.readInt32BE(0);
const heartbeat = (correlationId: number): Buffer =>
  request([12, 0], all(string("g"), int32(1), string("m")), { correlationId });
/** What a broker says of topics with these last digits of their ids. */
const metadataAnswer = (correlationId: number, names: Readonly<Record<number, string>>): Buffer =>
  all(
    all(int32(correlationId), noTags, int32(0)),
    compactArray(all(int32(1), compact("10.0.0.2"), int32(9092), compact(null), noTags)),
    all(compact("c"), int32(1)),
    compactArray(
      ...Object.entries(names).map(([digit, name]) =>
        all(
          all(int16(0), compact(name), uuid(Number(digit)), int8(0), compactArray()),
          all(int32(0), noTags),
        ),
      ),
    ),
    noTags,
  );

describe("a connection", () => {
  test("forwards an allowed request and its answer unchanged", async () => {
    await using pair = await open({ topic: "orders" });
    const message = produce9([["orders", 100]]);
    pair.client.send(message);
    assert.deepEqual(await pair.broker.receive(), message);
    const answer = all(int32(7), noTags, compactArray(), int32(0), noTags);
    pair.broker.send(answer);
    assert.deepEqual(await pair.client.receive(), answer);
  });

  test("answers a denied request itself, and the broker sees nothing of it", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(produce9([["audit", 100]], { correlationId: 5 }));
    assert.equal(correlationOf(await pair.client.receive()), 5);
    pair.client.send(heartbeat(6));
    assert.deepEqual(await pair.broker.receive(), heartbeat(6));
  });

  test("answers a denied request in its turn", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(heartbeat(1));
    pair.client.send(produce9([["audit", 5]], { correlationId: 2 }));
    pair.client.send(heartbeat(3));
    pair.client.send(produce9([["audit", 5]], { correlationId: 4 }));
    for (const id of [1, 3]) assert.deepEqual(await pair.broker.receive(), heartbeat(id));
    assert.equal(await pair.client.receive(50), undefined);
    pair.broker.send(all(int32(1), int16(0)));
    assert.equal(correlationOf(await pair.client.receive()), 1);
    assert.equal(correlationOf(await pair.client.receive()), 2);
    assert.equal(await pair.client.receive(50), undefined);
    pair.broker.send(all(int32(3), int16(0)));
    for (const id of [3, 4]) assert.equal(correlationOf(await pair.client.receive()), id);
  });

  test("never speaks in the middle of a broker's answer", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(heartbeat(1));
    await pair.broker.receive();
    pair.broker.socket.write(all(int32(6), int32(1)));
    await delay(20);
    pair.client.send(produce9([["audit", 5]], { correlationId: 2 }));
    await delay(20);
    pair.broker.socket.write(int16(0));
    assert.deepEqual(await pair.client.receive(), all(int32(1), int16(0)));
    assert.equal(correlationOf(await pair.client.receive()), 2);
  });

  test("reads requests in whatever pieces they come", async () => {
    await using pair = await open({ topic: "orders" });
    const message = produce9([["orders", 10]]);
    const bytes = all(int32(message.length), message);
    for (const byte of bytes) {
      pair.client.socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    assert.deepEqual(await pair.broker.receive(), message);
  });

  test("passes records on while they come, once the last topic is known", async () => {
    await using pair = await open({ topic: "orders" });
    const message = produce9([["orders", 1_000_000]]);
    const bytes = all(int32(message.length), message);
    pair.client.socket.write(bytes.subarray(0, 200));
    await delay(30);
    assert.equal(pair.broker.waiting, 200);
    pair.client.socket.write(bytes.subarray(200));
    assert.deepEqual(await pair.broker.receive(), message);
    assert.equal(pair.held.bytes, 0);
  });

  test("holds a request back while another topic may come", async () => {
    await using pair = await open({ topic: "orders" });
    const message = produce9([
      ["orders", 200_000],
      ["audit", 5],
    ]);
    const bytes = all(int32(message.length), message);
    pair.client.socket.write(bytes.subarray(0, 150_000));
    await delay(30);
    assert.equal(pair.broker.waiting, 0);
    assert.ok(pair.held.bytes > 100_000);
    pair.client.socket.write(bytes.subarray(150_000));
    assert.equal(correlationOf(await pair.client.receive()), 7);
    assert.equal(pair.broker.waiting, 0);
    assert.equal(pair.held.bytes, 0);
  });

  test("ends where a denied request wants no answer, after what was asked before", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(heartbeat(1));
    pair.client.send(produce9([["audit", 5]], { acks: 0 }));
    pair.client.send(heartbeat(3));
    assert.deepEqual(await pair.broker.receive(), heartbeat(1));
    pair.broker.send(all(int32(1), int16(0)));
    assert.equal(correlationOf(await pair.client.receive()), 1);
    assert.equal(await pair.client.receive(), undefined);
    assert.ok(pair.client.ended);
    assert.equal(pair.broker.waiting, 0);
  });

  test("awaits no answer to an allowed Produce with acks=0", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(produce9([["orders", 5]], { acks: 0 }));
    pair.client.send(produce9([["audit", 5]], { correlationId: 2 }));
    assert.equal(correlationOf(await pair.client.receive()), 2);
  });

  test("nor to one that is too long to be read, and answers what is denied after it", async () => {
    await using pair = await open({ apiKeys: [0] });
    const message = produce9(
      [
        ["orders", 70_000],
        ["audit", 10],
      ],
      { acks: 0 },
    );
    pair.client.send(message);
    assert.deepEqual(await pair.broker.receive(), message);
    pair.client.send(heartbeat(2));
    assert.equal(correlationOf(await pair.client.receive()), 2);
  });

  test("holds every next request to the rules of then", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(produce9([["orders", 5]]));
    assert.ok(await pair.broker.receive());
    pair.rules = ruleSetOf([{ topic: "audit" }]);
    pair.client.send(produce9([["orders", 5]], { correlationId: 2 }));
    pair.broker.send(all(int32(7), noTags, compactArray(), int32(0), noTags));
    assert.equal(correlationOf(await pair.client.receive()), 7);
    assert.equal(correlationOf(await pair.client.receive()), 2);
    assert.equal(pair.broker.waiting, 0);
  });

  test("denies nothing in audit mode, but says so", async () => {
    await using pair = await Pair.open(ruleSetOf([{ topic: "orders" }], { audit: true }));
    pair.client.send(produce9([["audit", 5]]));
    assert.ok(await pair.broker.receive());
    assert.deepEqual(
      pair.records.map(({ verdict, rule }) => [verdict, rule]),
      [["audit", 99]],
    );
  });

  test("lets a client end its half and still answers it", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(heartbeat(1));
    pair.client.send(produce9([["audit", 5]], { correlationId: 2 }));
    pair.client.socket.end();
    assert.deepEqual(await pair.broker.receive(), heartbeat(1));
    assert.equal(await pair.broker.receive(), undefined);
    assert.ok(pair.broker.ended);
    pair.broker.send(all(int32(1), int16(0)));
    for (const id of [1, 2]) assert.equal(correlationOf(await pair.client.receive()), id);
  });

  test("is reset on both sides when the broker resets it", async () => {
    await using pair = await open({});
    pair.broker.socket.resetAndDestroy();
    await delay(30);
    assert.ok(pair.client.ended);
  });

  const nonsense: readonly (readonly [string, Buffer])[] = [
    ["a length below zero", int32(-1)],
    ["a TLS handshake", Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1])],
    ["a request without a header", all(int32(4), int32(0))],
    ["a client id longer than its request", all(int32(12), int32(0), int32(1), int16(9), int16(0))],
  ];
  for (const [name, bytes] of nonsense)
    test(`ends with ${name}`, async () => {
      await using pair = await open({ topic: "orders" });
      pair.client.socket.write(bytes);
      assert.equal(await pair.client.receive(), undefined);
      assert.ok(pair.client.ended);
      assert.deepEqual([pair.broker.waiting, pair.faults, pair.counts.errors], [0, [], 1]);
    });

  test("ends with an answer that nobody asked for", async () => {
    await using pair = await open({});
    pair.broker.send(int32(5));
    assert.equal(await pair.client.receive(), undefined);
    assert.ok(pair.client.ended);
  });

  test("tells requests and answers", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(produce9([["orders", 5]]));
    await pair.broker.receive();
    pair.broker.send(all(int32(7), noTags, compactArray(), int32(0), noTags));
    await pair.client.receive();
    pair.client.send(
      produce9(
        [
          ["orders", 5],
          ["audit", 5],
        ],
        { correlationId: 8 },
      ),
    );
    await pair.client.receive();
    const told = pair.records.map(({ verdict, rule, l7 }) =>
      l7.kind === "kafka"
        ? [verdict, rule, l7.type, l7.apiKey, l7.topic, l7.errorCode, l7.correlationId]
        : [],
    );
    assert.deepEqual(told, [
      ["forwarded", 1, 1, "produce", "orders", 0, 7],
      ["forwarded", 1, 2, "produce", "orders", 0, 7],
      ["denied", 99, 1, "produce", "orders", 29, 8],
      ["denied", 99, 1, "produce", "audit", 29, 8],
    ]);
    assert.ok((pair.records[1]?.l7.latencyNs ?? 0) > 0);
  });
});

describe("topics by id", () => {
  test("are asked of the broker, and the client sees nothing of that", async () => {
    await using pair = await open({ topic: "orders" });
    const message = fetch13([1], { correlationId: 50 });
    pair.client.send(message);
    const question = await pair.broker.receive();
    assert.equal(question?.readInt16BE(0), 3);
    assert.ok(question.toString("hex").includes(idText(1)));
    pair.broker.send(metadataAnswer(question.readInt32BE(4), { 1: "orders" }));
    assert.deepEqual(await pair.broker.receive(), message);
    pair.client.send(fetch13([1], { correlationId: 51 }));
    assert.equal((await pair.broker.receive())?.readInt32BE(4), 51);
    assert.equal(pair.client.waiting, 0);
  });

  test("are denied by their names", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(fetch13([2], { correlationId: 50 }));
    const question = await pair.broker.receive();
    pair.broker.send(metadataAnswer(question?.readInt32BE(4) ?? 0, { 2: "audit" }));
    const answer = await pair.client.receive();
    assert.equal(correlationOf(answer), 50);
    assert.ok(answer?.toString("hex").includes(all(int32(0), int16(29)).toString("hex")));
    assert.equal(pair.broker.waiting, 0);
  });

  test("that the broker does not have are denied as such", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(fetch13([2]));
    const question = await pair.broker.receive();
    pair.broker.send(metadataAnswer(question?.readInt32BE(4) ?? 0, {}));
    const answer = await pair.client.receive();
    assert.ok(answer?.toString("hex").includes(all(int32(0), int16(100)).toString("hex")));
  });

  test("are learnt from the client's own Metadata", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(metadata12(["orders"], { correlationId: 1 }));
    await pair.broker.receive();
    pair.broker.send(metadataAnswer(1, { 3: "orders" }));
    assert.equal(correlationOf(await pair.client.receive()), 1);
    pair.client.send(fetch13([3], { correlationId: 2 }));
    assert.equal((await pair.broker.receive())?.readInt32BE(4), 2);
  });

  test("are not asked for where no rule names a topic, or none would allow the request", async () => {
    await using pair = await open({ apiKeys: [1] });
    pair.client.send(fetch13([1]));
    assert.equal((await pair.broker.receive())?.readInt16BE(0), 1);
    pair.rules = ruleSetOf([{ apiKeys: [0], topic: "orders" }]);
    pair.broker.send(all(int32(7), noTags, int32(0), int16(0), int32(0), compactArray(), noTags));
    await pair.client.receive();
    pair.client.send(fetch13([1]));
    assert.ok(await pair.client.receive());
    assert.equal(pair.broker.waiting, 0);
  });

  test("requests that follow one that waits for a name wait too", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(fetch13([1], { correlationId: 1 }));
    pair.client.send(heartbeat(2));
    const question = await pair.broker.receive();
    assert.equal(await pair.broker.receive(50), undefined);
    pair.client.socket.end();
    pair.broker.send(metadataAnswer(question?.readInt32BE(4) ?? 0, { 1: "orders" }));
    for (const id of [1, 2]) assert.equal((await pair.broker.receive())?.readInt32BE(4), id);
    assert.equal(await pair.broker.receive(), undefined);
    assert.ok(pair.broker.ended);
  });
});

describe("a denied Metadata request", () => {
  test("is answered with the brokers, which the proxy asks for once", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(metadata12(["audit"], { correlationId: 1 }));
    const question = await pair.broker.receive();
    pair.broker.send(metadataAnswer(question?.readInt32BE(4) ?? 0, {}));
    const answer = await pair.client.receive();
    assert.ok(answer?.includes("10.0.0.2") && answer.includes("audit"));
    pair.client.send(metadata12(null, { correlationId: 2 }));
    assert.ok((await pair.client.receive())?.includes("10.0.0.2"));
    assert.equal(pair.broker.waiting, 0);
  });
});

describe("a fetch session", () => {
  const answer = (correlationId: number, sessionId: number): Buffer =>
    all(int32(correlationId), noTags, int32(0), int16(0), int32(sessionId), compactArray(), noTags);

  test("goes on while its topics are allowed, and is ended when one is not", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(fetch12(["orders"], { id: 0, epoch: 0 }, { correlationId: 1 }));
    await pair.broker.receive();
    pair.broker.send(answer(1, 4711));
    await pair.client.receive();
    pair.client.send(fetch12([], { id: 4711, epoch: 1 }, { correlationId: 2 }));
    assert.equal((await pair.broker.receive())?.readInt32BE(4), 2);
    pair.broker.send(answer(2, 4711));
    await pair.client.receive();
    pair.rules = ruleSetOf([{ topic: "audit" }]);
    pair.client.send(fetch12([], { id: 4711, epoch: 2 }, { correlationId: 3 }));
    const ended = await pair.client.receive();
    assert.deepEqual(
      ended,
      all(int32(3), noTags, int32(0), int16(70), int32(0), compactArray(), noTags),
    );
    assert.equal(pair.broker.waiting, 0);
  });

  test("of another connection is not gone on with", async () => {
    await using pair = await open({ topic: "orders" });
    pair.client.send(fetch12(["orders"], { id: 99, epoch: 5 }));
    assert.equal((await pair.client.receive())?.readInt16BE(9), 70);
    assert.equal(pair.broker.waiting, 0);
  });

  const unread: readonly (readonly [string, Buffer])[] = [
    [
      "is long",
      fetch12(
        ["audit", ...Array.from({ length: 2_500 }, (_, at) => `some-other-topic-${at}`)],
        { id: 5, epoch: 1 },
        { correlationId: 2 },
      ),
    ],
    [
      "has a tagged field that is not known",
      all(
        fetch12(["audit"], { id: 5, epoch: 1 }, { correlationId: 2 }).subarray(0, -1),
        all(varint(1), varint(77), varint(0)),
      ),
    ],
  ];
  for (const [how, added] of unread)
    test(`is not gone on with under rules with topics when what was added to it ${how}`, async () => {
      await using pair = await open({});
      pair.client.send(fetch12(["orders"], { id: 0, epoch: 0 }, { correlationId: 1 }));
      await pair.broker.receive();
      pair.broker.send(answer(1, 5));
      await pair.client.receive();
      pair.client.send(added);
      assert.deepEqual(await pair.broker.receive(), added);
      pair.broker.send(answer(2, 5));
      await pair.client.receive();
      pair.rules = ruleSetOf([{ topic: "orders" }]);
      pair.client.send(fetch12([], { id: 5, epoch: 2 }, { correlationId: 3 }));
      assert.equal((await pair.client.receive())?.readInt16BE(9), 70);
      assert.equal(pair.broker.waiting, 0);
    });

  test("that began under rules without topics is known when rules with topics come", async () => {
    await using pair = await open({});
    pair.client.send(fetch12(["audit"], { id: 0, epoch: 0 }, { correlationId: 1 }));
    await pair.broker.receive();
    pair.broker.send(answer(1, 5));
    await pair.client.receive();
    pair.rules = ruleSetOf([{ topic: "audit" }]);
    pair.client.send(fetch12([], { id: 5, epoch: 1 }, { correlationId: 2 }));
    assert.equal((await pair.broker.receive())?.readInt32BE(4), 2);
  });
});

describe("backpressure", () => {
  test("reaches the client when the broker does not read", async () => {
    await using pair = await open({ topic: "orders" });
    pair.broker.socket.pause();
    const message = produce9([["orders", 4_000_000]]);
    for (let count = 0; count < 8; count++) pair.client.send(message);
    await delay(200);
    assert.ok(
      pair.client.socket.writableLength > 4_000_000,
      String(pair.client.socket.writableLength),
    );
    pair.broker.socket.resume();
    for (let count = 0; count < 8; count++)
      assert.ok((await pair.broker.receive(5_000))?.equals(message));
  });

  test("reaches the broker when the client does not read", async () => {
    await using pair = await open({});
    pair.client.socket.pause();
    const records = Buffer.alloc(4_000_000, 1);
    for (let id = 0; id < 8; id++) {
      pair.client.send(heartbeat(id));
      await pair.broker.receive();
      pair.broker.send(all(int32(id), records));
    }
    await delay(200);
    assert.ok(pair.broker.socket.writableLength > 4_000_000);
    pair.client.socket.resume();
    for (let id = 0; id < 8; id++)
      assert.equal(correlationOf(await pair.client.receive(5_000)), id);
  });

  test("keeps nothing of what large requests name while they wait for their answers", () => {
    const names = Array.from({ length: 1_000 }, () => "orders");
    const kept = [metadata12(names), produce9(names.map((name) => [name, 1] as const))].map(
      (message) => {
        const parsed = parseRequest(message, message.length);
        assert.ok("request" in parsed);
        return toBeAwaited(parsed.request);
      },
    );
    for (const { topics, body } of kept) assert.deepEqual([topics, body], [{ kind: "none" }, {}]);
  });

  test("stops reading a client whose fetches name many topics that a session may begin with", async () => {
    await using pair = await open({});
    const names = Array.from({ length: 1_200 }, (_, at) => `topic-${at}`);
    for (let id = 1; id <= 100; id++)
      pair.client.send(fetch12(names, { id: 0, epoch: 0 }, { correlationId: id }));
    for (let id = 1; id <= 25; id++) assert.ok(await pair.broker.receive());
    let more = 0;
    while ((await pair.broker.receive(100)) !== undefined) more++;
    assert.ok(more < 40, `${25 + more} fetches`);
  });

  test("ends the connections of the client that holds too much back, and no others", async () => {
    const held = new HeldBytes();
    const [greedy, other] = [
      await Pair.open(ruleSetOf([{ topic: "orders" }]), { held, address: "10.0.0.66" }),
      await Pair.open(ruleSetOf([{ topic: "orders" }]), { held }),
    ];
    assert.ok(held.change("10.0.0.66", 64 * 1024 * 1024));
    // Of two topics the second is waited for.
    const message = framed(
      produce9([
        ["orders", 10_000],
        ["orders", 10],
      ]),
    );
    for (const { client } of [greedy, other]) client.socket.write(message.subarray(0, 9_000));
    assert.equal(await greedy.client.receive(), undefined);
    assert.ok(greedy.client.ended);
    other.client.socket.write(message.subarray(9_000));
    assert.deepEqual(framed((await other.broker.receive()) ?? Buffer.alloc(0)), message);
    for (const pair of [greedy, other]) await pair[Symbol.asyncDispose]();
  });

  test("has a client wait that took too much time, and serves it afterwards", async () => {
    await using pair = await open({});
    pair.readingTime.spend("10.0.0.1", 300, performance.now());
    const beganMs = performance.now();
    pair.client.send(heartbeat(1));
    pair.client.socket.end();
    assert.deepEqual(await pair.broker.receive(), heartbeat(1));
    assert.ok(performance.now() - beganMs > 100);
    pair.broker.send(all(int32(1), int16(0)));
    assert.equal(correlationOf(await pair.client.receive()), 1);
  });

  test("counts what is kept of an answer that does not go on", async () => {
    await using pair = await open({});
    pair.client.send(metadata12(["orders"], { correlationId: 1 }));
    await pair.broker.receive();
    pair.broker.socket.write(all(int32(1_000_000), int32(1), Buffer.alloc(300_000)));
    while (pair.held.bytes < 300_000) await delay(2);
    pair.broker.socket.write(Buffer.alloc(1_000_000 - 4 - 300_000));
    while (pair.held.bytes > 0) await delay(2);
  });

  test("stops reading a client that has a thousand requests open", async () => {
    await using pair = await open({});
    for (let id = 0; id < 1_200; id++) pair.client.send(heartbeat(id));
    pair.client.socket.write(Buffer.alloc(0));
    await delay(100);
    for (let id = 0; id < 1_200; id++) {
      assert.equal((await pair.broker.receive())?.readInt32BE(4), id);
      pair.broker.send(all(int32(id), int16(0)));
    }
    for (let id = 0; id < 1_200; id++) assert.equal(correlationOf(await pair.client.receive()), id);
  });

  test("versions before topics had ids need no questions", async () => {
    await using pair = await open({ topic: "a" });
    const message = request([2, 1], all(int32(-1), array(all(string("a"), array()))));
    pair.client.send(message);
    assert.deepEqual(await pair.broker.receive(), message);
  });
});
