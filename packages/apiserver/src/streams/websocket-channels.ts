// A remote command over a WebSocket: each binary message is a channel's number and its bytes. Version 5 adds a channel 255
// whose one byte names a channel that ends; before, a client could not say that its input is over.
import type { WebSocket } from "ws";
import { type ChannelPeer, channels, heartbeatMs } from "./channels.ts";

/** The newest first: what both know best is spoken. */
export const webSocketProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

const closeSignal = 255;
/** More than this waiting to be sent makes senders wait. */
const highWaterBytes = 256 * 1024;

/** @param first the channel that tells the client, by an empty message, that the command has begun */
export function webSocketChannels(socket: WebSocket, first: number): ChannelPeer {
  const send = (channel: number, bytes: Uint8Array) => {
    const message = Buffer.allocUnsafe(1 + bytes.length);
    message.writeUInt8(channel, 0);
    message.set(bytes, 1);
    const sent = new Promise<void>((resolve) => socket.send(message, () => resolve()));
    return socket.bufferedAmount > highWaterBytes ? sent : Promise.resolve();
  };
  return {
    async run(receive) {
      const over = Promise.withResolvers<void>();
      let last = Promise.resolve();
      let waiting = 0;
      const inOrder = (action: () => Promise<void>) => {
        // The socket is read again once what it brought has been taken.
        if (++waiting === 1) socket.pause();
        last = last.then(action).then(() => {
          if (--waiting === 0) socket.resume();
        });
      };
      socket.on("message", (data, isBinary) => {
        const bytes = data as Buffer;
        const channel = bytes[0];
        if (!isBinary || channel === undefined) return;
        if (channel !== closeSignal)
          return inOrder(() => receive({ channel, bytes: bytes.subarray(1) }));
        const ended = bytes[1];
        if (socket.protocol === webSocketProtocols[0] && ended !== undefined)
          inOrder(() => receive({ channel: ended, bytes: new Uint8Array(), end: true }));
      });
      // "close" follows it.
      socket.on("error", () => {});
      socket.on("close", () => over.resolve());
      const heartbeat = setInterval(() => {
        if (socket.readyState === socket.OPEN) socket.ping();
      }, heartbeatMs).unref();
      await send(first, new Uint8Array());
      await over.promise;
      clearInterval(heartbeat);
      await last;
    },
    async send({ channel, bytes }) {
      // An empty message means something else, and the end of an output is the connection's.
      if (bytes.length > 0 && socket.readyState === socket.OPEN) await send(channel, bytes);
    },
    close: () => socket.close(1000),
  };
}

/** Where the first word of a command goes: the lowest channel that the client can read. */
export function firstReadable(names: ReadonlySet<string>): number {
  if (names.has("stdout")) return channels.stdout;
  return names.has("stderr") ? channels.stderr : channels.error;
}
