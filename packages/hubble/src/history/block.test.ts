import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { blockHeaderLength, blockLength, readBlockHeader } from "./block-header.ts";
import { type BuiltBlock, BlockBuilder } from "./block-builder.ts";
import { EndpointPool } from "./endpoints.ts";
import { HistoryError } from "./errors.ts";
import { flowAt, RowView } from "./row.ts";
import { readEndpoints, StoredBlock } from "./stored-block.ts";
import { anyFlow } from "./testing/any-flow.ts";
import { BusyNode, randomNumbers } from "./testing/flows.ts";
import type { Flow } from "../model.ts";

function built(flows: readonly Flow[]): BuiltBlock {
  const builder = new BlockBuilder(flows.length, new EndpointPool());
  for (const flow of flows) {
    assert.ok(builder.takes(flow));
    builder.add(flow);
  }
  return builder.finish();
}

function stored({ bytes }: { readonly bytes: Buffer }): StoredBlock {
  const header = readBlockHeader(bytes.subarray(0, blockHeaderLength));
  assert.ok(header);
  assert.equal(blockLength(header), bytes.length);
  const bodyAt = blockHeaderLength + header.endpoints.length;
  const people = bytes.subarray(blockHeaderLength, bodyAt);
  const endpoints = readEndpoints(people, header.endpoints, new EndpointPool());
  return new StoredBlock(header, bytes.subarray(bodyAt), endpoints);
}

function flowsOf(block: StoredBlock): Flow[] {
  return Array.from({ length: block.count }, (_, row) => flowAt(block, row));
}

/** Its properties and nothing else of it, as a filter sees them. */
function seen(view: RowView, like: Flow): unknown {
  return Object.fromEntries(Object.keys(like).map((key) => [key, view[key as keyof Flow]]));
}

/** What UTF-8 makes of half a character. */
function wellFormed(flow: Flow): Flow {
  return JSON.parse(
    JSON.stringify(flow, (_, value: unknown) => {
      if (typeof value === "bigint") return `big:${value}`;
      return typeof value === "string" ? value.toWellFormed() : value;
    }),
    (_, value: unknown) =>
      typeof value === "string" && value.startsWith("big:") ? BigInt(value.slice(4)) : value,
  ) as Flow;
}

test("any flows come back from a block as they were, whole and seen through a view", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  for (let round = 0; round < 10; round++) {
    let sequence = 1 + Math.floor(random() * 1e12);
    let timeNs = BigInt(Math.floor(random() * 1e15)) * 1000n;
    const flows = Array.from({ length: 1 + Math.floor(random() * 200) }, () => {
      timeNs += BigInt(Math.floor((random() - 0.2) * 1e12));
      return anyFlow(random, (sequence += 1 + Math.floor(random() * 3)), timeNs);
    });
    const block = stored(built(flows));
    const expected = flows.map(wellFormed);
    assert.deepEqual(flowsOf(block).map(wellFormed), expected, `seed ${seed}`);
    const view = new RowView(block);
    for (const [row, flow] of flows.entries()) {
      view.moveTo(row);
      assert.deepEqual(wellFormed(seen(view, flow) as Flow), expected[row], `seed ${seed}`);
    }
  }
});

test("a node's flows come back as they were, in few bytes", () => {
  const flows = new BusyNode({ seed: 5 }).next(8192);
  const block = built(flows);
  assert.deepEqual(flowsOf(stored(block)), flows);
  assert.ok(block.bytes.length / flows.length < 20, `${block.bytes.length / flows.length} bytes`);
});

test("a header says what is in its block", () => {
  const flows = new BusyNode({ seed: 6 }).next(500);
  const { header, endpoints } = built(flows);
  assert.equal(header.flows, 500);
  assert.equal(header.firstSequence, flows[0]?.sequence);
  assert.equal(header.lastSequence, flows[499]?.sequence);
  assert.equal(header.firstNs, flows[0]?.timeNs);
  assert.equal(header.lastNs, flows[499]?.timeNs);
  const verdicts = flows.reduce((mask, { verdict }) => mask | (1 << verdict), 0);
  assert.equal(header.verdicts, verdicts);
  assert.deepEqual(
    new Set(header.eventTypes),
    new Set(flows.map(({ eventType }) => eventType.type)),
  );
  assert.deepEqual(
    new Set(endpoints),
    new Set(flows.flatMap(({ source, destination }) => [source, destination])),
  );
});

test("a block whose bytes are changed is corrupt, or the same flows: never others", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  const flows = new BusyNode({ seed: 7 }).next(300);
  const { bytes } = built(flows);
  for (let round = 0; round < 400; round++) {
    const damaged = Buffer.from(bytes);
    const at = Math.floor(random() * damaged.length);
    damaged[at] = (damaged[at] as number) ^ (1 << Math.floor(random() * 8));
    const header = readBlockHeader(damaged);
    if (header === undefined || blockLength(header) !== damaged.length) continue;
    assert.throws(() => stored({ bytes: damaged }), isCorrupt, `seed ${seed} at ${at}`);
  }
});

test("bytes with right checksums and wrong contents are corrupt, or flows: nothing else breaks", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  const flows = Array.from({ length: 60 }, (_, at) => anyFlow(random, at + 1, BigInt(at)));
  const { header, bytes } = built(flows);
  const bodyAt = blockHeaderLength + header.endpoints.length;
  const raw = {
    endpoints: zstdDecompressSync(bytes.subarray(blockHeaderLength, bodyAt)),
    body: zstdDecompressSync(bytes.subarray(bodyAt)),
  };
  let read = 0;
  for (let round = 0; round < 400; round++) {
    const parts = { endpoints: Buffer.from(raw.endpoints), body: Buffer.from(raw.body) };
    const damaged = round % 4 === 0 ? parts.endpoints : parts.body;
    for (let change = 0; change < 1 + (round % 3); change++)
      damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256);
    try {
      const pool = new EndpointPool();
      const [people, peopleSection] = section(parts.endpoints);
      const [body, bodySection] = section(parts.body);
      const block = new StoredBlock(
        { ...header, endpoints: peopleSection, body: bodySection },
        body,
        readEndpoints(people, peopleSection, pool),
      );
      read += flowsOf(block).length;
    } catch (error) {
      assert.ok(isCorrupt(error), `seed ${seed} round ${round}: ${String(error)}`);
    }
  }
  assert.ok(read > 0);
});

function section(raw: Buffer): [Buffer, { length: number; rawLength: number; crc: number }] {
  const bytes = zstdCompressSync(raw);
  return [bytes, { length: bytes.length, rawLength: raw.length, crc: crc32(bytes) }];
}

test("a block that decompresses to more than it says is corrupt", () => {
  const { bytes, header } = built(new BusyNode({ seed: 8 }).next(10));
  const bomb = zstdCompressSync(Buffer.alloc(1 << 24));
  const body = { length: bomb.length, rawLength: header.body.rawLength, crc: crc32(bomb) };
  assert.ok(bytes.length > 0);
  assert.throws(() => new StoredBlock({ ...header, body }, bomb, []), isCorrupt);
});

function isCorrupt(error: unknown): boolean {
  return error instanceof HistoryError && error.code === "corrupt";
}
