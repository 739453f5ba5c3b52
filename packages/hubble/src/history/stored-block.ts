// A block that is read: its flows by row. Nothing is decoded before it is asked for.
import { crc32, zstdDecompressSync } from "node:zlib";
import type { Flow, FlowEndpoint } from "../model.ts";
import type { BlockHeader, Section } from "./block-header.ts";
import { ByteReader } from "./bytes.ts";
import {
  type Conversation,
  conversationWidth,
  readBigInt,
  readConversation,
} from "./conversation.ts";
import { StoredDictionaries } from "./dictionaries.ts";
import { Texts } from "./dictionary.ts";
import type { EndpointPool } from "./endpoints.ts";
import { corrupt } from "./errors.ts";
import { unzigzag } from "./planes.ts";
import { StoredColumns } from "./row-columns.ts";
import { readShape, type Shape, shapeWidth } from "./shape.ts";
import { StoredTuples } from "./stored-tuples.ts";
import { flowUuid } from "./uuid.ts";

/** Everybody in a block. @throws HistoryError corrupt */
export function readEndpoints(
  bytes: Buffer,
  section: Section,
  pool: EndpointPool,
): readonly FlowEndpoint[] {
  const texts = new Texts(new ByteReader(decompress(bytes, section)));
  return Array.from({ length: texts.count }, (_, number) => pool.parse(texts.get(number)));
}

export class StoredBlock {
  readonly header: BlockHeader;
  readonly #startNs: bigint;
  readonly #dictionaries: StoredDictionaries;
  readonly #conversations: StoredTuples<Conversation>;
  readonly #shapes: StoredTuples<Shape>;
  readonly #columns: StoredColumns;
  #sequences: Float64Array | undefined;
  #times: Float64Array | undefined;
  #cookies: Float64Array | undefined;

  /** @param bytes the compressed body. @throws HistoryError corrupt */
  constructor(header: BlockHeader, bytes: Buffer, endpoints: readonly FlowEndpoint[]) {
    this.header = header;
    const from = new ByteReader(decompress(bytes, header.body));
    this.#startNs = from.take(8).readBigInt64LE();
    this.#dictionaries = new StoredDictionaries(from, endpoints);
    this.#conversations = new StoredTuples(from, conversationWidth, (at) =>
      readConversation(at, this.#dictionaries),
    );
    this.#shapes = new StoredTuples(from, shapeWidth, (at) => readShape(at, this.#dictionaries));
    this.#columns = new StoredColumns(from, header.flows);
  }

  get count(): number {
    return this.header.flows;
  }

  /** @throws HistoryError corrupt, as all of these */
  conversation(row: number): Conversation {
    return this.#conversations.get(this.#columns.get("conversation")[row] as number);
  }

  shape(row: number): Shape {
    return this.#shapes.get(this.#columns.get("shape")[row] as number);
  }

  sequence(row: number): number {
    return (this.#sequences ??= this.#sumSequences())[row] as number;
  }

  timeNs(row: number): bigint {
    this.#times ??= sumZigzag(this.#columns.get("time"));
    return this.#startNs + BigInt(this.#times[row] as number);
  }

  uuid(row: number): string {
    const { strings } = this.#dictionaries;
    const storeId = this.#columns.get("storeId")[row] as number;
    if (storeId !== 0) return flowUuid(strings.get(storeId), this.sequence(row));
    return strings.get(this.#columns.get("uuid")[row] as number);
  }

  summary(row: number): string {
    return this.#dictionaries.strings.get(this.#columns.get("summary")[row] as number);
  }

  layer7(row: number): Flow["l7"] {
    return this.#dictionaries.layer7.get(this.#columns.get("layer7")[row] as number);
  }

  socketCookie(row: number): bigint {
    const text = this.#columns.get("cookieText")[row] as number;
    if (text !== 0) return readBigInt(this.#dictionaries.strings.get(text));
    this.#cookies ??= sumCookies(this.#columns.get("cookie"));
    return BigInt(this.#cookies[row] as number);
  }

  l4(row: number): Flow["l4"] {
    const { l4: kind, tcpFlags, icmpType, icmpCode } = this.shape(row);
    if (kind === undefined) return undefined;
    if (kind === "icmp4" || kind === "icmp6") return { kind, type: icmpType, code: icmpCode };
    const { server, serverPort } = this.conversation(row);
    const clientPort = this.#columns.get("clientPort")[row] as number;
    const isDestination = server === "destination";
    const sourcePort = isDestination ? clientPort : serverPort;
    const destinationPort = isDestination ? serverPort : clientPort;
    if (kind === "tcp") return { kind, sourcePort, destinationPort, flags: tcpFlags };
    return { kind, sourcePort, destinationPort };
  }

  /** The first row whose sequence is not below this one; `count`: none. */
  rowOf(sequence: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sequence(middle) < sequence) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sumSequences(): Float64Array {
    const gaps = this.#columns.get("sequence");
    const sums = new Float64Array(gaps.length);
    let sequence = this.header.firstSequence;
    for (let row = 0; row < sums.length; row++) {
      if (row > 0) sequence += (gaps[row] as number) + 1;
      sums[row] = sequence;
    }
    if (sequence !== this.header.lastSequence) throw corrupt("sequences that do not add up");
    return sums;
  }
}

function sumZigzag(deltas: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(deltas.length);
  let sum = 0;
  for (let row = 0; row < sums.length; row++) sums[row] = sum += unzigzag(deltas[row] as number);
  if (!Number.isSafeInteger(sum)) throw corrupt("times that do not add up");
  return sums;
}

function sumCookies(deltas: ArrayLike<number>): Float64Array {
  const sums = new Float64Array(deltas.length);
  let sum = 0;
  for (let row = 0; row < sums.length; row++) {
    const delta = deltas[row] as number;
    if (delta !== 0) sums[row] = sum += unzigzag(delta - 1);
  }
  return sums;
}

function decompress(bytes: Buffer, { length, rawLength, crc }: Section): Buffer {
  if (bytes.length !== length) throw corrupt("a block that ends too early");
  if (crc32(bytes) !== crc) throw corrupt("a checksum that is wrong");
  try {
    // Whatever it says inside, no more memory than the head said.
    return zstdDecompressSync(bytes, { maxOutputLength: Math.max(rawLength, 1) });
  } catch {
    throw corrupt("compressed bytes that are none");
  }
}
