// Name/value blocks of SPDY/3: a count, then names and values with their lengths; compressed as one zlib stream for each
// direction of a connection.
import { setImmediate } from "node:timers/promises";
import { createInflate, constants } from "node:zlib";
import { dictionary } from "./dictionary.ts";
import { SpdyError } from "./frames.ts";

/** Headers of streams are few and short: what is longer is no client of ours. */
const maxBlockBytes = 64 * 1024;
const maxHeaders = 100;

export type Headers = ReadonlyMap<string, string>;

/** @throws SpdyError for a block that is cut off, or has more than it says. */
export function parseHeaders(block: Buffer): Headers {
  let at = 0;
  const number = () => {
    if (at + 4 > block.length) throw new SpdyError("a header block is cut off");
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = () => {
    const length = number();
    if (at + length > block.length) throw new SpdyError("a header block is cut off");
    at += length;
    return block.toString("utf8", at - length, at);
  };
  const count = number();
  if (count > maxHeaders) throw new SpdyError(`${count} headers`);
  const headers = new Map<string, string>();
  for (let index = 0; index < count; index++) headers.set(text().toLowerCase(), text());
  if (at !== block.length) throw new SpdyError("a header block goes on after its end");
  return headers;
}

export function encodeHeaders(headers: Headers): Buffer {
  const number = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return [number(bytes.length), bytes];
  };
  return Buffer.concat([
    number(headers.size),
    ...[...headers].flatMap(([name, value]) => [...text(name), ...text(value)]),
  ]);
}

/** Decompresses the blocks of one direction, which must come in order and one at a time. */
export class HeaderInflater implements Disposable {
  readonly #inflate = createInflate({ dictionary, flush: constants.Z_SYNC_FLUSH });
  #output: Buffer[] = [];
  #length = 0;
  #failure: Error | undefined;

  constructor() {
    this.#inflate.on("error", (error) => (this.#failure = error));
    this.#inflate.on("data", (chunk: Buffer) => {
      this.#output.push(chunk);
      this.#length += chunk.length;
      if (this.#length > maxBlockBytes) this.#inflate.destroy(new Error("too long"));
    });
  }

  /** @throws SpdyError for what is not compressed as SPDY/3 has it, or longer than any client's. */
  async read(block: Buffer): Promise<Buffer> {
    this.#output = [];
    this.#length = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#inflate.once("close", resolve);
    this.#inflate.write(block, () => resolve());
    await promise;
    // What the stream has buffered is handed out in this turn of the event loop.
    await setImmediate();
    this.#inflate.off("close", resolve);
    if (this.#failure || this.#inflate.destroyed)
      throw new SpdyError(`a header block cannot be read: ${this.#failure?.message ?? "closed"}`);
    return Buffer.concat(this.#output);
  }

  [Symbol.dispose](): void {
    this.#inflate.destroy();
  }
}

/**
 * Wraps blocks as a zlib stream that compresses nothing: what a server says in headers is some twenty bytes. Every block is
 * one "stored" block of RFC 1951 and an empty one behind it, as a sync flush ends: without that Go's inflater waits for more
 * before it gives anything out.
 */
export class HeaderStorer {
  #begun = false;

  wrap(block: Buffer): Buffer {
    // Method deflate, a window of 32 KiB, no dictionary (RFC 1950).
    const head = this.#begun ? [] : [Buffer.from([0x78, 0x01])];
    this.#begun = true;
    return Buffer.concat([...head, stored(block), stored(Buffer.alloc(0))]);
  }
}

function stored(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(bytes.length, 1);
  head.writeUInt16LE(~bytes.length & 0xffff, 3);
  return Buffer.concat([head, bytes]);
}
