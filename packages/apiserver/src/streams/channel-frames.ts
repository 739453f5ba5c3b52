// Channels on a byte stream, between the API server and a kubelet on the same machine:
//
//   channel (1 byte) | flags (1 byte, 1: end of the channel) | length (4 bytes, big endian) | bytes
//
// Begun by an HTTP upgrade to `channelProtocol`.
import type { Duplex } from "node:stream";
import {
  type ChannelMessage,
  type ChannelPeer,
  type ChannelSink,
  heartbeatMs,
  writeTo,
} from "./channels.ts";

export const channelProtocol = "tsilium-channels.v1";

const headBytes = 6;
const endFlag = 1;
/** A channel of which nothing is heard: whoever writes to a peer that is gone learns that it is. */
const pulse = 255;
/** A frame may not announce more; senders split. */
export const maxFrameBytes = 1 << 20;

/** What arrived was no frame of ours. */
export class ChannelFrameError extends Error {
  readonly code = "bad_frame";

  constructor(message: string) {
    super(message);
    this.name = "ChannelFrameError";
  }
}

export function encodeFrame({ channel, bytes, end = false }: ChannelMessage): Buffer {
  const frame = Buffer.allocUnsafe(headBytes + bytes.length);
  frame.writeUInt8(channel, 0);
  frame.writeUInt8(end ? endFlag : 0, 1);
  frame.writeUInt32BE(bytes.length, 2);
  frame.set(bytes, headBytes);
  return frame;
}

/** Cuts a byte stream, however it is chunked, into messages. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  /** @throws ChannelFrameError for a frame that is too long or has unknown flags. */
  *push(chunk: Buffer): Generator<ChannelMessage> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length >= headBytes) {
      const length = this.#rest.readUInt32BE(2);
      const flags = this.#rest.readUInt8(1);
      if (length > maxFrameBytes) throw new ChannelFrameError(`a frame of ${length} bytes`);
      if (flags > endFlag) throw new ChannelFrameError(`unknown flags ${flags}`);
      if (this.#rest.length < headBytes + length) return;
      const channel = this.#rest.readUInt8(0);
      const bytes = this.#rest.subarray(headBytes, headBytes + length);
      this.#rest = this.#rest.subarray(headBytes + length);
      yield { channel, bytes, end: flags === endFlag };
    }
  }
}

/** The other end of a socket that speaks these frames. */
export function framedPeer(socket: Duplex): ChannelPeer {
  const send: ChannelSink = async (message) => {
    let { bytes } = message;
    for (; bytes.length > maxFrameBytes; bytes = bytes.subarray(maxFrameBytes))
      await writeTo(
        socket,
        encodeFrame({ channel: message.channel, bytes: bytes.subarray(0, maxFrameBytes) }),
      );
    await writeTo(socket, encodeFrame({ ...message, bytes }));
  };
  return {
    send,
    async run(receive) {
      const reader = new FrameReader();
      const heartbeat = setInterval(() => {
        if (socket.writable) socket.write(encodeFrame({ channel: pulse, bytes: new Uint8Array() }));
      }, heartbeatMs).unref();
      try {
        for await (const chunk of socket)
          for (const message of reader.push(chunk as Buffer))
            if (message.channel !== pulse) await receive(message);
      } catch {
        // A peer that breaks off or talks nonsense has left; the loop has destroyed the socket.
      } finally {
        clearInterval(heartbeat);
      }
    },
    close: () => socket.end(),
  };
}
