// gRPC's framing of messages in an HTTP/2 stream: one byte (1: compressed), four bytes of length, the message.
import { Code, ConnectError } from "@connectrpc/connect";

export const frameHead = 5;

/** Cuts a stream of bytes into messages. */
export class FrameReader {
  readonly #maxBytes: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  /** @param maxBytes of one message */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * The messages that these bytes complete: views of them, or of a copy.
   * @throws ConnectError for a compressed or too large message
   */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#wanted()) return [];
    const bytes = this.#joined();
    const messages: Uint8Array[] = [];
    let at = 0;
    while (bytes.length - at >= frameHead) {
      const end = at + frameHead + lengthAt(bytes, at, this.#maxBytes);
      if (end > bytes.length) break;
      messages.push(bytes.subarray(at + frameHead, end));
      at = end;
    }
    this.#pending = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#pendingBytes = bytes.length - at;
    return messages;
  }

  /** @throws ConnectError if the stream ends within a message */
  end(): void {
    if (this.#pendingBytes > 0) {
      throw new ConnectError("the stream ended within a message", Code.Internal);
    }
  }

  /** Bytes until a message is complete: so that a large one in many chunks is joined once. */
  #wanted(): number {
    const first = this.#pending[0] as Uint8Array;
    return first.length < frameHead ? frameHead : frameHead + lengthAt(first, 0, this.#maxBytes);
  }

  #joined(): Uint8Array {
    return this.#pending.length === 1
      ? (this.#pending[0] as Uint8Array)
      : Buffer.concat(this.#pending, this.#pendingBytes);
  }
}

function lengthAt(bytes: Uint8Array, at: number, maxBytes: number): number {
  if (bytes[at] !== 0) {
    throw new ConnectError("a compressed message, though none was agreed on", Code.Internal);
  }
  const byte = (offset: number) => bytes[at + offset] as number;
  const length = ((byte(1) << 24) | (byte(2) << 16) | (byte(3) << 8) | byte(4)) >>> 0;
  if (length > maxBytes) {
    const message = `a message of ${length} bytes, ${maxBytes} are allowed`;
    throw new ConnectError(message, Code.ResourceExhausted);
  }
  return length;
}

/** Writes the head of a message of `length` bytes. */
export function writeHead(to: Uint8Array, at: number, length: number): void {
  to[at] = 0;
  to[at + 1] = length >>> 24;
  to[at + 2] = (length >>> 16) & 255;
  to[at + 3] = (length >>> 8) & 255;
  to[at + 4] = length & 255;
}

/** One message with its head. */
export function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(frameHead + message.length);
  writeHead(bytes, 0, message.length);
  bytes.set(message, frameHead);
  return bytes;
}
