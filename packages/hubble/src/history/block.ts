// A block wherever it is: not written yet, or in a file. Reading it is the one place where stored bytes are believed.
import type { BlockSummary, FlowEndpoint } from "../model.ts";
import { type BlockHeader, blockHeaderLength, blockLength } from "./block-header.ts";
import type { BuiltBlock } from "./block-builder.ts";
import type { EndpointPool } from "./endpoints.ts";
import { HistoryError } from "./errors.ts";
import type { SegmentFile } from "./segment-file.ts";
import { readEndpoints, StoredBlock } from "./stored-block.ts";

type Place =
  | { readonly kind: "memory"; readonly bytes: Buffer }
  | { readonly kind: "file"; readonly file: SegmentFile; readonly offset: number };

export class Block {
  readonly header: BlockHeader;
  readonly #pool: EndpointPool;
  #place: Place;
  #endpoints: readonly FlowEndpoint[] | undefined;
  #isCorrupt = false;

  private constructor(header: BlockHeader, place: Place, pool: EndpointPool) {
    this.header = header;
    this.#place = place;
    this.#pool = pool;
  }

  static built({ header, bytes, endpoints }: BuiltBlock, pool: EndpointPool): Block {
    const block = new Block(header, { kind: "memory", bytes }, pool);
    block.#hold(endpoints);
    return block;
  }

  static stored(
    header: BlockHeader,
    { file, offset }: { readonly file: SegmentFile; readonly offset: number },
    pool: EndpointPool,
  ): Block {
    return new Block(header, { kind: "file", file, offset }, pool);
  }

  /** Its bytes, as long as no file has them. */
  get unwritten(): Buffer | undefined {
    return this.#place.kind === "memory" ? this.#place.bytes : undefined;
  }

  /** From now on it is read from there. */
  moveTo(file: SegmentFile, offset: number): void {
    this.#place = { kind: "file", file, offset };
  }

  /** Reading it failed before: it is not tried again, nor counted twice. */
  get isCorrupt(): boolean {
    return this.#isCorrupt;
  }

  get isRemoved(): boolean {
    return this.#place.kind === "file" && this.#place.file.isRemoved;
  }

  /** Everybody in it, if that is in memory. */
  get knownEndpoints(): readonly FlowEndpoint[] | undefined {
    return this.#endpoints;
  }

  /** Everybody in it. @throws HistoryError corrupt */
  async endpoints(): Promise<readonly FlowEndpoint[]> {
    if (this.#endpoints) return this.#endpoints;
    const { endpoints } = this.header;
    const bytes = await this.#read(blockHeaderLength, endpoints.length);
    return this.#hold(this.#guard(() => readEndpoints(bytes, endpoints, this.#pool)));
  }

  /** They can be read again, from memory or from the file. */
  forgetEndpoints(): void {
    this.#endpoints = undefined;
  }

  /** @throws HistoryError corrupt */
  async load(): Promise<StoredBlock> {
    const { header } = this;
    const start = blockHeaderLength;
    const bytes = await this.#read(start, blockLength(header) - start);
    const { length } = header.endpoints;
    return this.#guard(() => {
      const people = bytes.subarray(0, length);
      const endpoints =
        this.#endpoints ?? this.#hold(readEndpoints(people, header.endpoints, this.#pool));
      return new StoredBlock(header, bytes.subarray(length), endpoints);
    });
  }

  #hold(endpoints: readonly FlowEndpoint[]): readonly FlowEndpoint[] {
    this.#endpoints = endpoints;
    this.#pool.held(this);
    return endpoints;
  }

  markCorrupt(): void {
    this.#isCorrupt = true;
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    const place = this.#place;
    if (place.kind === "memory") return place.bytes.subarray(offset, offset + length);
    try {
      return await place.file.read(place.offset + offset, length);
    } catch (cause) {
      throw new HistoryError("corrupt", `${place.file.path} cannot be read`, { cause });
    }
  }

  /** Whatever breaks on these bytes, they are to blame. */
  #guard<T>(read: () => T): T {
    try {
      return read();
    } catch (cause) {
      if (cause instanceof HistoryError) throw cause;
      throw new HistoryError("corrupt", "stored flows cannot be decoded", { cause });
    }
  }
}

/** A block's summary that notices when it is asked for endpoints which are not in memory. */
export class AskedSummary implements BlockSummary {
  readonly firstNs: bigint;
  readonly lastNs: bigint;
  readonly verdicts: number;
  readonly eventTypes: readonly number[];
  readonly #endpoints: readonly FlowEndpoint[] | undefined;
  #lacked = false;

  constructor(header: BlockHeader, endpoints: readonly FlowEndpoint[] | undefined) {
    this.firstNs = header.firstNs;
    this.lastNs = header.lastNs;
    this.verdicts = header.verdicts;
    this.eventTypes = header.eventTypes ?? [];
    this.#endpoints = endpoints;
  }

  get endpoints(): readonly FlowEndpoint[] {
    if (this.#endpoints === undefined) this.#lacked = true;
    return this.#endpoints ?? [];
  }

  /** What was answered on it does not count. */
  get lacked(): boolean {
    return this.#lacked;
  }
}
