// A BPF map: bytes in, bytes out. Every call reuses two scratch buffers and one attribute block made with the
// map, so a lookup costs the system call and one copy.
import { addressOf, bpfRaw, SyscallError } from "@tsilium/syscall";
import { constants } from "node:os";
import { BpfError, during, ObjectError } from "../errors.ts";
import { isMapOfMaps, isPerCpu, mapTypes, type MapType } from "../map-types.ts";
import { Attributes, command } from "./attributes.ts";
import { MapBatches, type PackedEntries, pairs } from "./batch.ts";
import { type MapInfo, readMapInfo } from "./map-info.ts";
import { isKind, KernelObject, openPinned, unpin } from "./object.ts";
import { joinPerCpu, perCpuSize, splitPerCpu } from "./per-cpu.ts";

const { ENOENT, EEXIST } = constants.errno;

/** What a map is created from. A MapSpec fits. */
export type MapOptions = {
  readonly name?: string;
  readonly type: MapType;
  /** Bytes. */
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_*. */
  readonly flags?: number;
  readonly mapExtra?: bigint;
  readonly numaNode?: number;
  /** A map of the shape that a map of maps will hold. */
  readonly innerMap?: BpfMap | undefined;
  /** The same as a description: a map is made for the kernel to look at, and closed again. */
  readonly inner?: MapOptions | undefined;
  /** Types of key and value for tools that print maps; a loaded BTF's descriptor. */
  readonly btf?: { readonly fd: number; readonly keyTypeId: number; readonly valueTypeId: number };
};

/** any: insert or overwrite; create: only if absent; replace: only if present. */
export type UpdateMode = "any" | "create" | "replace";
const updateFlags: Readonly<Record<UpdateMode, bigint>> = { any: 0n, create: 1n, replace: 2n };

export class BpfMap extends KernelObject {
  readonly name: string;
  readonly type: MapType;
  /** Bytes. */
  readonly keySize: number;
  /** Bytes of one value; a per-CPU map has one per possible CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* it was created with. */
  readonly flags: number;
  /** Bytes that the kernel reads and writes per entry: for per-CPU maps every CPU's value, padded to 8. */
  readonly storedSize: number;
  readonly #key: Uint8Array;
  readonly #value: Uint8Array;
  readonly #nextKey: Uint8Array;
  readonly #element = new Attributes(32);
  readonly #keyAddress: bigint;
  readonly #valueAddress: bigint;
  readonly #nextKeyAddress: bigint;

  private constructor(fd: number, info: MapInfo) {
    super(fd);
    this.name = info.name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.maxEntries = info.maxEntries;
    this.flags = info.flags;
    this.storedSize = isPerCpu(info.type) ? perCpuSize(info.valueSize) : info.valueSize;
    this.#key = new Uint8Array(this.keySize);
    this.#value = new Uint8Array(this.storedSize);
    this.#nextKey = new Uint8Array(this.keySize);
    this.#keyAddress = addressOf(this.#key);
    this.#valueAddress = addressOf(this.#value);
    this.#nextKeyAddress = addressOf(this.#nextKey);
    this.#element.u32(0, fd);
  }

  protected override get label(): string {
    return `map ${this.name}`;
  }

  /** Creates a map. @throws BpfError */
  static create(options: MapOptions): BpfMap {
    const { btf } = options;
    using made = options.inner && !options.innerMap ? BpfMap.create(options.inner) : undefined;
    const innerMap = options.innerMap ?? made;
    const attributes = new Attributes(72)
      .u32(0, mapTypes[options.type])
      .u32(4, options.keySize)
      .u32(8, options.valueSize)
      .u32(12, options.maxEntries)
      .u32(16, options.flags ?? 0)
      .u32(20, innerMap?.fd ?? 0)
      .u32(24, options.numaNode ?? 0)
      .name(28, options.name ?? "")
      .u32(48, btf?.fd ?? 0)
      .u32(52, btf?.keyTypeId ?? 0)
      .u32(56, btf?.valueTypeId ?? 0)
      .u64(64, options.mapExtra ?? 0n);
    const fd = during(`create of map ${options.name ?? ""} (${describe(options)})`, () =>
      attributes.call(command.mapCreate),
    );
    return BpfMap.fromFd(fd);
  }

  /** Takes over a descriptor: closing the map closes it. @throws ObjectError map_invalid for anything else. */
  static fromFd(fd: number): BpfMap {
    if (!isKind(fd, "map")) throw new ObjectError("map_invalid", `descriptor ${fd} is not a map`);
    return new BpfMap(fd, readMapInfo(fd));
  }

  /** Opens a pinned map. @throws BpfError ENOENT when there is none. */
  static fromPinned(path: string): BpfMap {
    return BpfMap.fromFd(openPinned(path, "map"));
  }

  /** Opens a map by its kernel-wide number. @throws BpfError ENOENT when it is gone. */
  static fromId(id: number): BpfMap {
    return BpfMap.fromFd(
      during(`open of map ${id}`, () => new Attributes(16).u32(0, id).call(command.mapFdById)),
    );
  }

  /** Removes a pin; false when it was gone. The map lives on while anything else holds it. */
  static unpin(path: string): boolean {
    return unpin(path);
  }

  info(): MapInfo {
    return readMapInfo(this.fd);
  }

  /** The value of `key`, a copy; undefined when there is none. Per-CPU maps: see `lookupPerCpu`. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    this.#setKey(key);
    const result = this.#call(command.mapLookup, this.#valueAddress, 0n);
    if (result >= 0) return this.#value.slice();
    if (result === -ENOENT) return undefined;
    throw this.#failure("lookup", result, key);
  }

  /** Every CPU's value of `key`, in order of CPU; undefined when there is none. */
  lookupPerCpu(key: Uint8Array): Uint8Array[] | undefined {
    const stored = this.lookup(key);
    return stored && splitPerCpu(stored, this.valueSize);
  }

  /**
   * Writes an entry: true when it is there now; false when `mode` kept it from being written.
   * Values of per-CPU maps are `storedSize` long (`updatePerCpu` builds them).
   * @throws BpfError E2BIG when a map that does not evict is full, EPERM when it is frozen.
   */
  update(key: Uint8Array, value: Uint8Array, mode: UpdateMode = "any"): boolean {
    this.#setKey(key);
    if (value.length !== this.storedSize)
      throw new RangeError(
        `map ${this.name} has values of ${this.storedSize} bytes, not ${value.length}`,
      );
    this.#value.set(value);
    const result = this.#call(command.mapUpdate, this.#valueAddress, updateFlags[mode]);
    if (result >= 0) return true;
    if (result === -EEXIST && mode === "create") return false;
    if (result === -ENOENT && mode === "replace") return false;
    throw this.#failure("update", result, key);
  }

  /** Writes one value per possible CPU. */
  updatePerCpu(key: Uint8Array, values: readonly Uint8Array[], mode: UpdateMode = "any"): boolean {
    return this.update(key, joinPerCpu(values, this.valueSize), mode);
  }

  /** Puts a map (maps of maps) or a program (program arrays) into a slot; the slot holds it from then on. */
  updateObject(key: Uint8Array, object: KernelObject): boolean {
    return this.update(key, new Uint8Array(new Uint32Array([object.fd]).buffer));
  }

  /** Deletes an entry; false when there was none. */
  delete(key: Uint8Array): boolean {
    this.#setKey(key);
    const result = this.#call(command.mapDelete, 0n, 0n);
    if (result >= 0) return true;
    if (result === -ENOENT) return false;
    throw this.#failure("delete", result, key);
  }

  /** Takes an entry out and answers its value (hash kinds and queues); undefined when there was none. */
  lookupAndDelete(key: Uint8Array): Uint8Array | undefined {
    this.#setKey(key);
    const result = this.#call(command.mapLookupAndDelete, this.#valueAddress, 0n);
    if (result >= 0) return this.#value.slice();
    if (result === -ENOENT) return undefined;
    throw this.#failure("lookup and delete", result, key);
  }

  /** The key after `key` in the map's own order, the first one without `key`; undefined at the end. */
  nextKey(key?: Uint8Array): Uint8Array | undefined {
    if (key) this.#setKey(key);
    this.#element
      .u64(8, key ? this.#keyAddress : 0n)
      .u64(16, this.#nextKeyAddress)
      .u64(24, 0n);
    const result = bpfRaw(command.mapNextKey, this.#withFd());
    if (result >= 0) return this.#nextKey.slice();
    if (result === -ENOENT) return undefined;
    throw this.#failure("next key", result, key);
  }

  /** Keys in the map's own order. Entries that change meanwhile may be missed or seen twice. */
  *keys(): Generator<Uint8Array> {
    for (let key = this.nextKey(); key; key = this.nextKey(key)) yield key;
  }

  /**
   * All entries, in batches where the kernel has them. Entries that stay throughout are seen exactly once by
   * batches of hash maps (a batch takes whole buckets); those that come or go meanwhile may be missed.
   * Values of per-CPU maps come as stored; `splitPerCpu` takes them apart.
   */
  *entries(): Generator<[key: Uint8Array, value: Uint8Array]> {
    for (const packed of this.packedEntries()) yield* pairs(packed, this);
  }

  /** The same as they lie, up to `size` at a time, which spares two objects for each. */
  *packedEntries(size = 1024): Generator<PackedEntries> {
    if (supportsBatch(this.type)) {
      try {
        yield* new MapBatches(this).lookupPacked(size);
        return;
      } catch (error) {
        // A kind of map without batches on this kernel says so before its first entry.
        if (!(error instanceof BpfError && error.code === "ENOTSUPP")) throw error;
      }
    }
    for (const key of this.keys()) {
      const value = this.lookup(key);
      if (value) yield { count: 1, keys: key, values: value };
    }
  }

  /** All entries, a batch of at most `size` at a time. @throws BpfError ENOTSUPP where the kernel has none. */
  batchLookup(size = 1024): Generator<[key: Uint8Array, value: Uint8Array][]> {
    return new MapBatches(this).lookup(size);
  }

  /** Writes many entries; answers how many were written, which is fewer only when it throws. */
  batchUpdate(entries: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): number {
    return new MapBatches(this).update(entries);
  }

  /** The same for keys and values that lie one after the other, which spares an object for each. */
  batchUpdatePacked(keys: Uint8Array, values: Uint8Array): number {
    return new MapBatches(this).updatePacked(keys, values);
  }

  /** Deletes many entries and answers how many there were. */
  batchDelete(keys: readonly Uint8Array[]): number {
    return new MapBatches(this).delete(keys);
  }

  /** The same for keys that lie one after the other. */
  batchDeletePacked(keys: Uint8Array): number {
    return new MapBatches(this).deletePacked(keys);
  }

  /** Forbids writes from user space for good. @throws BpfError */
  freeze(): void {
    during(`freeze of ${this.label}`, () =>
      new Attributes(8).u32(0, this.fd).call(command.mapFreeze),
    );
  }

  #setKey(key: Uint8Array): void {
    if (key.length !== this.keySize)
      throw new RangeError(`map ${this.name} has keys of ${this.keySize} bytes, not ${key.length}`);
    this.#key.set(key);
  }

  #call(number: number, value: bigint, flags: bigint): number {
    this.#element.u64(8, this.#keyAddress).u64(16, value).u64(24, flags);
    return bpfRaw(number, this.#withFd());
  }

  /** Asks for the descriptor each time: a closed map must not touch whoever got its number. */
  #withFd(): Uint8Array {
    return this.#element.u32(0, this.fd).bytes;
  }

  #failure(what: string, result: number, key: Uint8Array | undefined): BpfError {
    const shown = key ? `key=${Buffer.from(key).toString("hex")}, ` : "";
    return new BpfError(
      `${what} in ${this.label}`,
      new SyscallError("bpf", -result),
      `${shown}${this.maxEntries} entries`,
    );
  }
}

function supportsBatch(type: MapType): boolean {
  return /hash$|^array$|percpu_array|lpm_trie/.test(type) && !isMapOfMaps(type);
}

function describe(options: MapOptions): string {
  const { type, keySize, valueSize, maxEntries } = options;
  return `${type}, key ${keySize}, value ${valueSize}, ${maxEntries} entries`;
}
