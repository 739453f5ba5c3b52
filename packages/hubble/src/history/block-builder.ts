// Flows into a block, one by one: whatever they share goes into dictionaries at once, so that finishing a block is
// little more than compressing it. docs/hubble-history.md has the layout.
import { constants, crc32, zstdCompressSync } from "node:zlib";
import type { Flow, FlowEndpoint } from "../model.ts";
import {
  type BlockHeader,
  blockHeaderLength,
  sayableEventTypes,
  type Section,
  writeBlockHeader,
} from "./block-header.ts";
import { ByteWriter } from "./bytes.ts";
import { clientPort, conversationWidth, fillConversation } from "./conversation.ts";
import { Dictionaries } from "./dictionaries.ts";
import { writeTexts } from "./dictionary.ts";
import type { EndpointPool } from "./endpoints.ts";
import { writeColumn, zigzag } from "./planes.ts";
import { type RowColumns, rowColumnNames, rowColumns } from "./row-columns.ts";
import { fillShape, shapeWidth } from "./shape.ts";
import { TupleTable } from "./tuple-table.ts";
import { type StoreId, storeIdOf } from "./uuid.ts";

/** A block as it goes into a file, and what is known of it without reading it again. */
export type BuiltBlock = {
  readonly header: BlockHeader;
  readonly bytes: Buffer;
  readonly endpoints: readonly FlowEndpoint[];
};

/** Times further apart than this are not written as a difference. */
const longestGapNs = 2 ** 51;
/** Text beyond which a block is finished early: records of layer 7 have no other bound. */
const mostText = 1 << 23;
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export class BlockBuilder {
  readonly #capacity: number;
  readonly #pool: EndpointPool;
  readonly #dictionaries = new Dictionaries();
  readonly #conversations = new TupleTable(conversationWidth);
  readonly #shapes = new TupleTable(shapeWidth);
  readonly #columns: RowColumns;
  readonly #out = new ByteWriter(1 << 20);
  readonly #eventTypes = new Set<number>();
  #count = 0;
  #verdicts = 0;
  #startNs = 0n;
  #firstNs = 0n;
  #lastNs = 0n;
  #previousNs = 0n;
  #firstSequence = 0;
  #previousSequence = 0;
  #previousCookie = 0;
  #storeId: StoreId = "none";

  /** @param capacity flows in a block at most */
  constructor(capacity: number, pool: EndpointPool) {
    this.#capacity = capacity;
    this.#pool = pool;
    this.#columns = rowColumns(capacity);
  }

  get count(): number {
    return this.#count;
  }

  /** Whether the flow fits in; an empty builder takes any. */
  takes(flow: Flow): boolean {
    if (this.#count === 0) return true;
    if (this.#count >= this.#capacity || this.#dictionaries.size > mostText) return false;
    return Math.abs(Number(flow.timeNs - this.#previousNs)) < longestGapNs;
  }

  /** Its sequence must be above that of the flow before. */
  add(flow: Flow): void {
    const row = this.#count;
    if (row === 0) this.#begin(flow);
    const columns = this.#columns;
    columns.sequence[row] = row === 0 ? 0 : flow.sequence - this.#previousSequence - 1;
    columns.time[row] = zigzag(Number(flow.timeNs - this.#previousNs));
    this.#addUuid(row, flow);
    fillConversation(this.#conversations.next, flow, this.#dictionaries);
    columns.conversation[row] = this.#conversations.intern();
    fillShape(this.#shapes.next, flow, this.#dictionaries);
    columns.shape[row] = this.#shapes.intern();
    columns.clientPort[row] = clientPort(flow);
    columns.summary[row] = this.#dictionaries.strings.intern(flow.summary);
    columns.layer7[row] = this.#dictionaries.layer7.intern(flow.l7);
    this.#addCookie(row, flow.socketCookie);
    this.#note(flow);
    this.#count = row + 1;
  }

  #begin({ timeNs, sequence }: Flow): void {
    this.#startNs = this.#firstNs = this.#lastNs = this.#previousNs = timeNs;
    this.#firstSequence = sequence;
  }

  #addUuid(row: number, { uuid, sequence }: Flow): void {
    const { strings } = this.#dictionaries;
    const { storeId, uuid: texts } = this.#columns;
    const store = storeIdOf(uuid, sequence, this.#storeId);
    if (store !== undefined) this.#storeId = store;
    storeId[row] = store === undefined ? 0 : strings.intern(store);
    texts[row] = store === undefined ? strings.intern(uuid) : 0;
  }

  /** Cookies grow slowly, so their differences are small. 0 stays 0. */
  #addCookie(row: number, cookie: bigint): void {
    const { cookie: numbers, cookieText: texts } = this.#columns;
    numbers[row] = 0;
    texts[row] = 0;
    if (cookie === 0n) return;
    const number = Number(cookie);
    if (number > 0 && number < longestGapNs) {
      numbers[row] = zigzag(number - this.#previousCookie) + 1;
      this.#previousCookie = number;
    } else texts[row] = this.#dictionaries.strings.intern(cookie.toString());
  }

  #note({ timeNs, sequence, verdict, eventType }: Flow): void {
    this.#previousNs = timeNs;
    this.#previousSequence = sequence;
    if (timeNs < this.#firstNs) this.#firstNs = timeNs;
    if (timeNs > this.#lastNs) this.#lastNs = timeNs;
    this.#verdicts |= 1 << verdict;
    this.#eventTypes.add(eventType.type);
  }

  /** The block of what was added; the builder is empty then. */
  finish(): BuiltBlock {
    const endpoints = this.#dictionaries.endpoints();
    const people = this.#compressEndpoints(endpoints);
    const body = this.#compressBody();
    const header: BlockHeader = {
      flows: this.#count,
      firstSequence: this.#firstSequence,
      lastSequence: this.#previousSequence,
      firstNs: this.#firstNs,
      lastNs: this.#lastNs,
      verdicts: this.#verdicts,
      eventTypes: sayableEventTypes(this.#eventTypes),
      endpoints: people.section,
      body: body.section,
    };
    this.#clear();
    return { header, bytes: assemble(header, people.bytes, body.bytes), endpoints };
  }

  #compressEndpoints(endpoints: readonly FlowEndpoint[]): Compressed {
    this.#out.clear();
    writeTexts(
      this.#out,
      endpoints.map((endpoint) => this.#pool.textOf(endpoint)),
    );
    return compress(this.#out);
  }

  #compressBody(): Compressed {
    const out = this.#out;
    out.clear();
    out.reserve(8).writeBigInt64LE(BigInt.asIntN(64, this.#startNs));
    this.#dictionaries.write(out);
    for (const table of [this.#conversations, this.#shapes]) {
      out.u32(table.count);
      for (let field = 0; field < table.width; field++)
        writeColumn(out, table.column(field), table.count);
    }
    for (const name of rowColumnNames) writeColumn(out, this.#columns[name], this.#count);
    return compress(out);
  }

  #clear(): void {
    this.#dictionaries.clear();
    this.#conversations.clear();
    this.#shapes.clear();
    this.#eventTypes.clear();
    this.#count = 0;
    this.#verdicts = 0;
    this.#previousCookie = 0;
  }
}

type Compressed = { readonly section: Section; readonly bytes: Buffer };

function compress(out: ByteWriter): Compressed {
  const raw = out.bytes();
  const bytes = zstdCompressSync(raw, compression);
  const section = { length: bytes.length, rawLength: raw.length, crc: crc32(bytes) };
  return { section, bytes };
}

function assemble(header: BlockHeader, endpoints: Buffer, body: Buffer): Buffer {
  const length = blockHeaderLength + endpoints.length + body.length;
  return Buffer.concat([writeBlockHeader(header), endpoints, body], length);
}
