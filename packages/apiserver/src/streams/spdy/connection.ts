// The server's end of a SPDY/3.1 connection, as far as kubectl's goes: the client opens streams, both sides write and
// half-close them. Flow control is TCP's alone: Go's peer (moby/spdystream) has no windows of its own and would never
// open ours.
import type { Duplex } from "node:stream";
import { heartbeatMs, writeTo } from "../channels.ts";
import {
  encodeControl,
  encodeData,
  flags,
  type Frame,
  FrameReader,
  resetStatus,
  SpdyError,
  types,
  words,
} from "./frames.ts";
import {
  encodeHeaders,
  type Headers,
  HeaderInflater,
  HeaderStorer,
  parseHeaders,
} from "./headers.ts";

/** What to do with what a stream brings. The next frame of the connection waits for the promise. */
export type StreamReader = {
  data(bytes: Buffer): Promise<void> | void;
  /** The client has half-closed it, reset it, or left; called once. */
  end(): Promise<void> | void;
};

const maxStreams = 1000;
/** Data frames that we send are at most this long. */
const chunkBytes = 64 * 1024;

export class SpdyConnection {
  readonly #socket: Duplex;
  readonly #inflater = new HeaderInflater();
  readonly #storer = new HeaderStorer();
  readonly #streams = new Map<number, SpdyStream>();
  #lastStream = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /**
   * Reads until the client leaves or breaks the protocol; then every stream has ended and the socket is gone. Never rejects.
   * @param accept what reads a new stream; undefined refuses it
   */
  async run(accept: (stream: SpdyStream) => StreamReader | undefined): Promise<void> {
    const reader = new FrameReader();
    const heartbeat = this.#keepAsking();
    try {
      for await (const chunk of this.#socket)
        for (const frame of reader.push(chunk as Buffer)) await this.#take(frame, accept);
    } catch {
      // Who breaks off or breaks the rules has left: leaving the loop has destroyed the socket.
    } finally {
      clearInterval(heartbeat);
      this.#inflater[Symbol.dispose]();
      for (const stream of this.#streams.values()) await stream.ended();
      this.#streams.clear();
      this.#socket.destroy();
    }
  }

  /** Delivers what was written, then says goodbye. */
  close(): void {
    if (this.#socket.writable)
      this.#socket.end(encodeControl(types.goAway, words(this.#lastStream, 0)));
  }

  /** Our pings have even numbers. Their answers say nothing that the connection does not. */
  #keepAsking(): NodeJS.Timeout {
    let id = 0;
    const timer = setInterval(() => {
      id = (id + 2) % 0x1_0000_0000;
      if (this.#socket.writable) this.#socket.write(encodeControl(types.ping, words(id)));
    }, heartbeatMs);
    return timer.unref();
  }

  async #take(
    frame: Frame,
    accept: (stream: SpdyStream) => StreamReader | undefined,
  ): Promise<void> {
    if (frame.kind === "data") {
      const stream = this.#streams.get(frame.stream);
      if (frame.payload.length > 0) await stream?.received(frame.payload);
      if (frame.flags & flags.fin) await stream?.ended();
      return;
    }
    const { type, payload } = frame;
    switch (type) {
      case types.synStream:
        return this.#open(frame.flags, payload, accept);
      case types.rstStream:
        return this.#reset(payload);
      case types.ping:
        // Odd numbers are the client's own; even ones would be answers to pings that we do not send.
        if (payload.length >= 4 && payload.readUInt32BE(0) % 2 === 1)
          await writeTo(this.#socket, encodeControl(types.ping, payload.subarray(0, 4)));
        return;
      case types.headers:
        // Nobody needs them, but the compression goes on with them.
        await this.#inflater.read(payload.subarray(4));
        return;
      default:
        // SETTINGS, GOAWAY, WINDOW_UPDATE and what is unknown (2.2.1) change nothing here.
        return;
    }
  }

  async #open(
    frameFlags: number,
    payload: Buffer,
    accept: (stream: SpdyStream) => StreamReader | undefined,
  ): Promise<void> {
    if (payload.length < 10) throw new SpdyError("SYN_STREAM is cut off");
    const id = payload.readUInt32BE(0) & 0x7fff_ffff;
    const headers = parseHeaders(await this.#inflater.read(payload.subarray(10)));
    if (id % 2 === 0 || id <= this.#lastStream)
      throw new SpdyError(`stream ${id} after ${this.#lastStream}`);
    this.#lastStream = id;
    const stream = new SpdyStream(id, headers, this.#socket, () => this.#streams.delete(id));
    stream.reader = this.#streams.size < maxStreams ? accept(stream) : undefined;
    if (!stream.reader) {
      const refusal = encodeControl(types.rstStream, words(id, resetStatus.refused));
      return writeTo(this.#socket, refusal);
    }
    this.#streams.set(id, stream);
    const answer = this.#storer.wrap(encodeHeaders(new Map()));
    await writeTo(this.#socket, encodeControl(types.synReply, Buffer.concat([words(id), answer])));
    if (frameFlags & flags.fin) await stream.ended();
  }

  async #reset(payload: Buffer): Promise<void> {
    if (payload.length < 8) throw new SpdyError("RST_STREAM is cut off");
    const stream = this.#streams.get(payload.readUInt32BE(0) & 0x7fff_ffff);
    if (!stream) return;
    await stream.ended();
    stream.forget();
  }
}

/** A stream that the client has opened. */
export class SpdyStream {
  readonly headers: Headers;
  reader: StreamReader | undefined;
  readonly #id: number;
  readonly #socket: Duplex;
  readonly #gone: () => void;
  #inputEnded = false;
  #outputEnded = false;

  constructor(id: number, headers: Headers, socket: Duplex, gone: () => void) {
    this.#id = id;
    this.headers = headers;
    this.#socket = socket;
    this.#gone = gone;
  }

  /** Resolves when there is room for more; drops what comes after the end. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#outputEnded; at += chunkBytes)
      await writeTo(this.#socket, encodeData(this.#id, bytes.subarray(at, at + chunkBytes)));
  }

  /** Passes on what comes; nothing comes after the end. */
  async received(bytes: Buffer): Promise<void> {
    if (!this.#inputEnded) await this.reader?.data(bytes);
  }

  /** Half-closes our side. */
  async end(): Promise<void> {
    if (this.#outputEnded) return;
    this.#outputEnded = true;
    await writeTo(this.#socket, encodeData(this.#id, new Uint8Array(), flags.fin));
    this.#forgetIfOver();
  }

  /** Ends both sides at once. */
  async reset(): Promise<void> {
    if (this.#outputEnded && this.#inputEnded) return;
    this.#outputEnded = true;
    await writeTo(
      this.#socket,
      encodeControl(types.rstStream, words(this.#id, resetStatus.cancel)),
    );
    await this.ended();
  }

  /** The client's side is over. */
  async ended(): Promise<void> {
    if (this.#inputEnded) return;
    this.#inputEnded = true;
    await this.reader?.end();
    this.#forgetIfOver();
  }

  /** Nothing goes either way any more. */
  forget(): void {
    this.#inputEnded = true;
    this.#outputEnded = true;
    this.#gone();
  }

  #forgetIfOver(): void {
    if (this.#inputEnded && this.#outputEnded) this.#gone();
  }
}
