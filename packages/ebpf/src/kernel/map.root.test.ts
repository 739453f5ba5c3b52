import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { possibleCpus } from "@tsilium/syscall";
import * as codecs from "../codec.ts";
import type { MapType } from "../map-types.ts";
import { freshBpffs, readU32, u32 } from "../testing/kernel.ts";
import { BpfMap, type MapOptions } from "./map.ts";
import { objectIds } from "./object.ts";
import { TypedMap, TypedPerCpuMap } from "./typed-map.ts";

function create(type: MapType, options: Partial<MapOptions> = {}): BpfMap {
  return BpfMap.create({
    type,
    keySize: 4,
    valueSize: 4,
    maxEntries: 64,
    name: "test",
    ...options,
  });
}

/** Small, reproducible random numbers (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("BpfMap", () => {
  for (const type of ["hash", "lru_hash"] as const) {
    test(`${type}: behaves like a Map under random operations`, (context) => {
      const seed = Date.now() & 0xffff;
      context.diagnostic(`seed ${seed}`);
      const next = random(seed);
      using map = create(type, { maxEntries: 1024 });
      const twin = new Map<number, number>();
      for (let step = 0; step < 2000; step++) {
        const key = Math.floor(next() * 40);
        const choice = next();
        if (choice < 0.5) {
          map.update(u32(key), u32(step));
          twin.set(key, step);
        } else if (choice < 0.7) {
          assert.equal(map.delete(u32(key)), twin.delete(key));
        } else if (choice < 0.8) {
          assert.equal(map.update(u32(key), u32(step), "create"), !twin.has(key));
          if (!twin.has(key)) twin.set(key, step);
        } else {
          assert.equal(readU32(map.lookup(u32(key))), twin.get(key));
        }
      }
      const entries = [...map.entries()].map(([key, value]) => [readU32(key), readU32(value)]);
      assert.deepEqual(new Map(entries as [number, number][]), twin);
    });
  }

  test("an update that must create or replace says whether it did", () => {
    using map = create("hash");
    assert.equal(map.update(u32(1), u32(1), "replace"), false);
    assert.equal(map.update(u32(1), u32(1), "create"), true);
    assert.equal(map.update(u32(1), u32(2), "create"), false);
    assert.equal(map.update(u32(1), u32(3), "replace"), true);
    assert.equal(readU32(map.lookup(u32(1))), 3);
  });

  test("a full hash refuses with the map, the key and its size in the message", () => {
    using map = create("hash", { maxEntries: 1 });
    map.update(u32(1), u32(1));
    assert.throws(() => map.update(u32(2), u32(2)), {
      code: "E2BIG",
      message: "update in map test: E2BIG (key=02000000, 1 entries)",
    });
  });

  test("keys and values of a wrong size are refused before the kernel sees them", () => {
    using map = create("hash");
    assert.throws(() => map.lookup(new Uint8Array(3)), RangeError);
    assert.throws(() => map.update(u32(1), new Uint8Array(8)), RangeError);
  });

  test("array: all its entries exist from the start and cannot be deleted", () => {
    using map = create("array", { maxEntries: 3 });
    assert.deepEqual(
      [...map.entries()].map(([key]) => readU32(key)),
      [0, 1, 2],
    );
    assert.throws(() => map.delete(u32(1)), { code: "EINVAL" });
  });

  test("longest prefix: the most specific entry answers", () => {
    using map = create("lpm_trie", { keySize: 8, flags: 1 });
    const prefix = (length: number, ...address: number[]) =>
      new Uint8Array([...u32(length), ...address]);
    map.update(prefix(8, 10, 0, 0, 0), u32(8));
    map.update(prefix(24, 10, 1, 2, 0), u32(24));
    assert.equal(readU32(map.lookup(prefix(32, 10, 1, 2, 3))), 24);
    assert.equal(readU32(map.lookup(prefix(32, 10, 9, 9, 9))), 8);
    assert.equal(map.lookup(prefix(32, 11, 0, 0, 1)), undefined);
    assert.equal([...map.entries()].length, 2);
    assert.equal(map.delete(prefix(16, 10, 1, 0, 0)), false);
  });

  test("per CPU: one value per possible CPU, of odd sizes too", () => {
    using map = create("percpu_hash", { valueSize: 3 });
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => new Uint8Array([cpu, 1, 2]));
    map.updatePerCpu(u32(5), values);
    assert.deepEqual(
      map.lookupPerCpu(u32(5))?.map((value) => [...value]),
      values.map((value) => [...value]),
    );
    assert.equal([...map.entries()].length, 1);
  });

  test("batches: ten thousand entries in, out and away", () => {
    using map = create("hash", { maxEntries: 20_000 });
    const entries = Array.from(
      { length: 10_000 },
      (_, index) => [u32(index), u32(index * 3)] as const,
    );
    assert.equal(map.batchUpdate(entries), 10_000);
    let seen = 0;
    for (const batch of map.batchLookup(100))
      for (const [key, value] of batch) {
        assert.equal(readU32(value), (readU32(key) ?? 0) * 3);
        seen++;
      }
    assert.equal(seen, 10_000);
    const keys = entries.map(([key]) => key);
    assert.equal(map.batchDelete([...keys, u32(99_999)]), 10_000);
    assert.deepEqual([...map.entries()], []);
  });

  test("deleting a batch skips keys that are gone, wherever they stand in it", () => {
    using map = create("hash");
    map.batchUpdate([2, 4, 5].map((key) => [u32(key), u32(0)]));
    assert.equal(map.batchDelete([1, 2, 3, 4, 5, 6].map(u32)), 3);
    assert.deepEqual([...map.entries()], []);
  });

  test("an empty batch touches nothing", () => {
    using map = create("hash");
    assert.equal(map.batchUpdate([]), 0);
    assert.equal(map.batchDelete([]), 0);
    assert.deepEqual([...map.batchLookup()], []);
  });

  test("a pin gives the same map to another opener, and only a map", () => {
    using bpffs = freshBpffs();
    const path = join(bpffs.path, "pinned");
    using map = create("hash");
    map.pin(path);
    map.update(u32(1), u32(2));
    using again = BpfMap.fromPinned(path);
    assert.equal(readU32(again.lookup(u32(1))), 2);
    assert.equal(again.info().id, map.info().id);
    using byId = BpfMap.fromId(map.info().id);
    assert.equal(byId.type, "hash");
    assert.throws(() => map.pin(path), { code: "EEXIST" });
    BpfMap.unpin(path);
    assert.throws(() => BpfMap.fromPinned(path), { code: "ENOENT" });
  });

  test("a map of maps is made from a description of what it holds", () => {
    const shape = { type: "hash", keySize: 4, valueSize: 4, maxEntries: 8 } as const;
    using outer = create("hash_of_maps", { inner: shape });
    using inner = BpfMap.create(shape);
    outer.updateObject(u32(9), inner);
    assert.equal(readU32(outer.lookup(u32(9))), inner.info().id);
    assert.deepEqual(
      [...outer.entries()].map(([key]) => readU32(key)),
      [9],
    );
  });

  test("every live map is in the kernel's list", () => {
    using map = create("hash");
    assert.ok([...objectIds("map")].includes(map.info().id));
  });

  test("a closed map is not used through a descriptor that is somebody else's by now", () => {
    const map = create("hash");
    map.close();
    map.close();
    assert.throws(() => map.lookup(u32(1)), /map test was closed/);
  });

  test("a map that cannot be created says what it was to be", () => {
    assert.throws(() => create("hash", { maxEntries: 0 }), {
      code: "EINVAL",
      message: "create of map test (hash, key 4, value 4, 0 entries): EINVAL",
    });
  });
});

describe("typed maps", () => {
  test("speak in values, one by one and in bulk", () => {
    using map = new TypedMap(create("hash", { maxEntries: 10_000 }), {
      key: codecs.be32,
      value: codecs.u32,
    });
    map.update(0x0a000001, 7);
    assert.equal(map.lookup(0x0a000001), 7);
    assert.deepEqual([...(map.map.nextKey() ?? [])], [10, 0, 0, 1]);
    assert.equal(map.updateMany(Array.from({ length: 9000 }, (_, index) => [index, index])), 9000);
    assert.equal([...map.entries()].length, 9001);
    assert.equal(map.deleteMany([...map.keys()]), 9001);
    assert.equal(map.delete(1), false);
  });

  test("per CPU, a value is a list", () => {
    using map = new TypedPerCpuMap(create("percpu_hash", { valueSize: 8 }), {
      key: codecs.u32,
      value: codecs.u64,
    });
    const values = Array.from({ length: possibleCpus() }, (_, cpu) => BigInt(cpu) * 10n);
    map.update(3, values);
    assert.deepEqual(map.lookup(3), values);
    assert.deepEqual([...map.entries()], [[3, values]]);
  });

  test("refuse a map whose sizes are not their codecs'", () => {
    using map = create("hash", { valueSize: 12 });
    assert.throws(() => new TypedMap(map, { key: codecs.u32, value: codecs.u32 }), {
      code: "map_invalid",
      message: /key 4 and value 12 bytes, the codecs 4 and 4/,
    });
  });
});
