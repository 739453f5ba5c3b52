// Whatever lies in the ring, the decoder goes on. A failure names its seed: TSILIUM_FUZZ_SEED=N runs it again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventKind, packetEventLayout, socketEventLayout } from "@tsilium/datapath";
import { ether } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { flowToJson } from "../codec/index.ts";
import type { Flow } from "../model.ts";
import { db, memoryOf, packetRecord, scene, socketRecord, web } from "./testing/world.ts";

const kinds = Object.values(eventKind);
const whole = { ...packetEventLayout, socket: socketEventLayout.size };

test("random records give flows that are whole, or none", () => {
  const { decoder } = scene({ nowMs: () => 0 });
  repeat({ runs: 5000 }, (random) => {
    const bytes = random.bytes(random.below(300));
    if (bytes.length > 46) bytes[46] = random.pick([...kinds, random.below(256)]);
    const before = decoder.statistics.undecodable + decoder.statistics.waiting;
    const out: Flow[] = [];
    decoder.decode(memoryOf(bytes), 0, bytes.length, out);
    decoder.release(out);
    for (const flow of out) assert.ok(flowToJson(flow));
    if (bytes.length < Math.min(whole.size, whole.socket)) {
      assert.deepEqual(out, []);
      assert.equal(decoder.statistics.undecodable + decoder.statistics.waiting, before + 1);
    }
  });
});

test("a record that is damaged anywhere, or cut off, neither throws nor reads its neighbour", () => {
  const packet = ether({})
    .ipv6({ src: web.ipv6, dst: "fd00::1" })
    .extension({ kind: "hop-by-hop" })
    .tcp({ sport: 1, dport: 2, flags: ["SYN"] })
    .bytes();
  const records = [
    packetRecord({ kind: eventKind.trace, reason: 1, endpointId: web.id }, packet),
    packetRecord({ kind: eventKind.drop, code: 133, rule: 2, endpointId: db.id }, packet),
    socketRecord(
      { code: 1, frontend: 50 },
      { asked: ["10.96.0.10", 5432], backend: [db.ipv4, 5432], protocol: 6, netnsCookie: 107n },
    ),
  ];
  // Each run makes two worlds.
  repeat({ runs: process.env["TSILIUM_SOAK"] === "1" ? 3000 : 300 }, (random) => {
    const record = random.pick(records).slice();
    for (let flip = random.below(4); flip > 0; flip--)
      record[random.below(record.length)] = random.below(256);
    const length = random.chance(0.5) ? record.length : random.below(record.length);
    const decodeAmong = (noise: number): Flow[] => {
      const memory = new Uint8Array(600).fill(noise);
      memory.set(record.subarray(0, length), 200);
      const out: Flow[] = [];
      scene().decoder.decode(memoryOf(memory), 200, length, out);
      return out;
    };
    assert.deepEqual(decodeAmong(0), decodeAmong(0xa5));
  });
});
