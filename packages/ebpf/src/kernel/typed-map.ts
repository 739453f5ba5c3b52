// Maps with codecs: values in TypeScript's terms, one codec for keys and one for values. The map below stays
// reachable as `map`, and belongs to whoever made it until the typed map is disposed of.
import { decode, encode, type Codec } from "../codec.ts";
import { ObjectError } from "../errors.ts";
import { isPerCpu } from "../map-types.ts";
import type { BpfMap, UpdateMode } from "./map.ts";
import { splitPerCpu } from "./per-cpu.ts";

export type MapCodecs<K, V> = { readonly key: Codec<K>; readonly value: Codec<V> };

/** Entries per system call of the bulk operations. */
const bulkSize = 4096;

/** What maps with one value per entry and those with one per CPU share: everything about keys. */
abstract class CodedMap<K, V> implements Disposable {
  readonly map: BpfMap;
  protected readonly keyCodec: Codec<K>;
  protected readonly valueCodec: Codec<V>;

  /** @throws ObjectError map_invalid when sizes differ: the map is from another version of the struct. */
  constructor(map: BpfMap, codecs: MapCodecs<K, V>) {
    if (map.keySize !== codecs.key.size || map.valueSize !== codecs.value.size)
      throw new ObjectError(
        "map_invalid",
        `map ${map.name} has key ${map.keySize} and value ${map.valueSize} bytes, ` +
          `the codecs ${codecs.key.size} and ${codecs.value.size}`,
      );
    this.map = map;
    this.keyCodec = codecs.key;
    this.valueCodec = codecs.value;
  }

  /** Deletes an entry; false when there was none. */
  delete(key: K): boolean {
    return this.map.delete(encode(this.keyCodec, key));
  }

  /** Deletes many entries in batches; answers how many there were. */
  deleteMany(keys: Iterable<K>): number {
    let deleted = 0;
    for (const bulk of inBulk(keys))
      deleted += this.map.batchDeletePacked(pack(this.keyCodec, bulk));
    return deleted;
  }

  *keys(): Generator<K> {
    for (const key of this.map.keys()) yield decode(this.keyCodec, key);
  }

  /** Closes the map. */
  [Symbol.dispose](): void {
    this.map.close();
  }
}

function* inBulk<T>(items: Iterable<T>): Generator<T[]> {
  const all = Array.from(items);
  for (let start = 0; start < all.length; start += bulkSize)
    yield all.slice(start, start + bulkSize);
}

/** All of them, one after the other. */
function pack<T>(codec: Codec<T>, items: readonly T[]): Uint8Array {
  const bytes = new Uint8Array(items.length * codec.size);
  const view = new DataView(bytes.buffer);
  items.forEach((item, at) => codec.write(view, at * codec.size, item));
  return bytes;
}

export class TypedMap<K, V> extends CodedMap<K, V> {
  /** @throws ObjectError map_invalid also for per-CPU maps, which are TypedPerCpuMap's. */
  constructor(map: BpfMap, codecs: MapCodecs<K, V>) {
    super(map, codecs);
    if (isPerCpu(map.type))
      throw new ObjectError("map_invalid", `map ${map.name} is per CPU: use TypedPerCpuMap`);
  }

  lookup(key: K): V | undefined {
    const value = this.map.lookup(encode(this.keyCodec, key));
    return value && decode(this.valueCodec, value);
  }

  /** Writes an entry; false only when `mode` kept it from being written. @throws BpfError E2BIG when full. */
  update(key: K, value: V, mode: UpdateMode = "any"): boolean {
    return this.map.update(encode(this.keyCodec, key), encode(this.valueCodec, value), mode);
  }

  /** Writes many entries in batches; answers how many. @throws BpfError, some may have been written. */
  updateMany(entries: Iterable<readonly [key: K, value: V]>): number {
    let written = 0;
    for (const bulk of inBulk(entries))
      written += this.map.batchUpdatePacked(
        pack(
          this.keyCodec,
          bulk.map(([key]) => key),
        ),
        pack(
          this.valueCodec,
          bulk.map(([, value]) => value),
        ),
      );
    return written;
  }

  /** All entries; what changes meanwhile may be missed (see BpfMap.entries). */
  *entries(): Generator<[key: K, value: V]> {
    for (const { count, keys, values } of this.map.packedEntries(bulkSize)) {
      const [keyView, valueView] = [viewOf(keys), viewOf(values)];
      for (let index = 0; index < count; index++)
        yield [
          this.keyCodec.read(keyView, index * this.keyCodec.size),
          this.valueCodec.read(valueView, index * this.valueCodec.size),
        ];
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class TypedPerCpuMap<K, V> extends CodedMap<K, V> {
  /** One value per possible CPU. */
  lookup(key: K): V[] | undefined {
    return this.map
      .lookupPerCpu(encode(this.keyCodec, key))
      ?.map((value) => decode(this.valueCodec, value));
  }

  /** Writes one value per possible CPU. */
  update(key: K, values: readonly V[], mode: UpdateMode = "any"): boolean {
    const encoded = values.map((value) => encode(this.valueCodec, value));
    return this.map.updatePerCpu(encode(this.keyCodec, key), encoded, mode);
  }

  *entries(): Generator<[key: K, values: V[]]> {
    for (const [key, stored] of this.map.entries())
      yield [
        decode(this.keyCodec, key),
        splitPerCpu(stored, this.map.valueSize).map((value) => decode(this.valueCodec, value)),
      ];
  }
}
