// Frames of SPDY/3.1, bytes to values and back. https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/

export const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const flags = { fin: 1 } as const;

/** Of RST_STREAM. */
export const resetStatus = { protocolError: 1, refused: 3, cancel: 5 } as const;

const version = 3;
const headBytes = 8;
/** A data frame may be as long as 16 MiB; Go's client splits at 64 KiB or sends what it copied at once. */
const maxDataBytes = 1 << 20;
const maxControlBytes = 64 * 1024;

/** The peer does not speak SPDY/3.1, or more of it than is understood. */
export class SpdyError extends Error {
  readonly code = "bad_spdy";

  constructor(message: string) {
    super(message);
    this.name = "SpdyError";
  }
}

export type Frame =
  | {
      readonly kind: "data";
      readonly stream: number;
      readonly flags: number;
      readonly payload: Buffer;
    }
  | {
      readonly kind: "control";
      readonly type: number;
      readonly flags: number;
      readonly payload: Buffer;
    };

/** Cuts a byte stream, however it is chunked, into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  /** What came since, and how much of it is needed before there is anything to look at. */
  #waiting: Buffer[] = [];
  #missing = 0;

  /** @throws SpdyError for another version, or a length beyond reason. */
  *push(chunk: Buffer): Generator<Frame> {
    // Put together once and not with every chunk: a long frame that comes byte by byte would cost its length squared.
    this.#waiting.push(chunk);
    this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    this.#rest =
      this.#rest.length === 0 && this.#waiting.length === 1
        ? chunk
        : Buffer.concat([this.#rest, ...this.#waiting]);
    this.#waiting = [];
    while (this.#rest.length >= headBytes) {
      const first = this.#rest.readUInt32BE(0);
      const frameFlags = this.#rest.readUInt8(4);
      const length = this.#rest.readUIntBE(5, 3);
      const isControl = first >= 0x8000_0000;
      if (isControl && ((first >>> 16) & 0x7fff) !== version)
        throw new SpdyError(`SPDY version ${(first >>> 16) & 0x7fff}`);
      if (length > (isControl ? maxControlBytes : maxDataBytes))
        throw new SpdyError(`a frame of ${length} bytes`);
      if (this.#rest.length < headBytes + length) {
        this.#missing = headBytes + length - this.#rest.length;
        return;
      }
      const payload = this.#rest.subarray(headBytes, headBytes + length);
      this.#rest = this.#rest.subarray(headBytes + length);
      yield isControl
        ? { kind: "control", type: first & 0xffff, flags: frameFlags, payload }
        : { kind: "data", stream: first, flags: frameFlags, payload };
    }
  }
}

export function encodeData(stream: number, payload: Uint8Array, frameFlags = 0): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + payload.length);
  frame.writeUInt32BE(stream, 0);
  frame.writeUInt8(frameFlags, 4);
  frame.writeUIntBE(payload.length, 5, 3);
  frame.set(payload, headBytes);
  return frame;
}

export function encodeControl(type: number, payload: Uint8Array, frameFlags = 0): Buffer {
  return encodeData(((0x8000 | version) * 0x1_0000 + type) >>> 0, payload, frameFlags);
}

/** Numbers of 32 bits, one after the other. */
export function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}
