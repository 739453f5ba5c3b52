// The head of a block: what it holds, as far as queries need to know before they read it, and how to tell that it is whole.
//
//   0 magic  4 CRC of the bytes from 8 on  8 version  10 flags  12 flows  16 first sequence  24 last sequence
//  32 first time  40 last time  48 verdicts  52 endpoints: length, 56 raw length, 60 CRC
//  64 body: length, 68 raw length, 72 CRC  76 event types, a bit each (32 bytes)  108-111 reserved
//
// Little-endian. Endpoints and body follow, zstd each; endpoints apart, since queries look at them to pass a block over.
import { crc32 } from "node:zlib";

export const blockHeaderLength = 112;
export const blockMagic = 0x42_46_53_54; // "TSFB"
const version = 1;

/** More is not written, nor believed: it bounds what a damaged file can ask of memory. */
export const blockLimits = { flows: 1 << 16, bytes: 1 << 28 } as const;

export type Section = {
  /** Bytes in the file. */
  readonly length: number;
  /** Bytes when decompressed. */
  readonly rawLength: number;
  readonly crc: number;
};

export type BlockHeader = {
  readonly flows: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Least and greatest time. */
  readonly firstNs: bigint;
  readonly lastNs: bigint;
  /** Bit n: a flow with that Verdict. */
  readonly verdicts: number;
  /** undefined: there are some that have no bit. */
  readonly eventTypes: readonly number[] | undefined;
  readonly endpoints: Section;
  readonly body: Section;
};

const otherEventTypes = 1;
const eventTypeBits = 256;

export function blockLength({ endpoints, body }: BlockHeader): number {
  return blockHeaderLength + endpoints.length + body.length;
}

export function writeBlockHeader(header: BlockHeader): Buffer {
  const bytes = Buffer.alloc(blockHeaderLength);
  bytes.writeUInt32LE(blockMagic, 0);
  bytes.writeUInt16LE(version, 8);
  bytes.writeUInt16LE(header.eventTypes === undefined ? otherEventTypes : 0, 10);
  bytes.writeUInt32LE(header.flows, 12);
  bytes.writeDoubleLE(header.firstSequence, 16);
  bytes.writeDoubleLE(header.lastSequence, 24);
  bytes.writeBigInt64LE(BigInt.asIntN(64, header.firstNs), 32);
  bytes.writeBigInt64LE(BigInt.asIntN(64, header.lastNs), 40);
  bytes.writeUInt32LE(header.verdicts >>> 0, 48);
  writeSection(bytes, 52, header.endpoints);
  writeSection(bytes, 64, header.body);
  for (const type of header.eventTypes ?? [])
    bytes.writeUInt8(bytes.readUInt8(76 + (type >> 3)) | (1 << (type & 7)), 76 + (type >> 3));
  bytes.writeUInt32LE(crc32(bytes.subarray(8)), 4);
  return bytes;
}

/** Event types as the header can say them; undefined: it cannot. */
export function sayableEventTypes(types: Iterable<number>): readonly number[] | undefined {
  const all = [...types];
  return all.every((type) => type >= 0 && type < eventTypeBits) ? all : undefined;
}

function writeSection(bytes: Buffer, at: number, { length, rawLength, crc }: Section): void {
  bytes.writeUInt32LE(length, at);
  bytes.writeUInt32LE(rawLength, at + 4);
  bytes.writeUInt32LE(crc, at + 8);
}

/** undefined: these bytes are no whole header of a block. */
export function readBlockHeader(bytes: Buffer): BlockHeader | undefined {
  if (bytes.length < blockHeaderLength || bytes.readUInt32LE(0) !== blockMagic) return undefined;
  if (crc32(bytes.subarray(8, blockHeaderLength)) !== bytes.readUInt32LE(4)) return undefined;
  if (bytes.readUInt16LE(8) !== version) return undefined;
  const header: BlockHeader = {
    flows: bytes.readUInt32LE(12),
    firstSequence: bytes.readDoubleLE(16),
    lastSequence: bytes.readDoubleLE(24),
    firstNs: bytes.readBigInt64LE(32),
    lastNs: bytes.readBigInt64LE(40),
    verdicts: bytes.readUInt32LE(48),
    eventTypes: bytes.readUInt16LE(10) & otherEventTypes ? undefined : readEventTypes(bytes),
    endpoints: readSection(bytes, 52),
    body: readSection(bytes, 64),
  };
  return isSensible(header) ? header : undefined;
}

function readSection(bytes: Buffer, at: number): Section {
  return {
    length: bytes.readUInt32LE(at),
    rawLength: bytes.readUInt32LE(at + 4),
    crc: bytes.readUInt32LE(at + 8),
  };
}

function readEventTypes(bytes: Buffer): number[] {
  const found: number[] = [];
  for (let type = 0; type < eventTypeBits; type++)
    if (bytes.readUInt8(76 + (type >> 3)) & (1 << (type & 7))) found.push(type);
  return found;
}

/** A node counts on from the last flow that it has: no block may take that to where numbers end. */
const lastSensibleSequence = 2 ** 52;

function isSensible(header: BlockHeader): boolean {
  const { flows, firstSequence, lastSequence, endpoints, body } = header;
  return (
    flows > 0 &&
    flows <= blockLimits.flows &&
    Number.isSafeInteger(firstSequence) &&
    lastSequence <= lastSensibleSequence &&
    firstSequence > 0 &&
    lastSequence >= firstSequence + flows - 1 &&
    [endpoints, body].every(
      ({ length, rawLength }) => length <= blockLimits.bytes && rawLength <= blockLimits.bytes,
    )
  );
}
