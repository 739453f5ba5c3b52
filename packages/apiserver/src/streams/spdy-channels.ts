// A remote command over SPDY: the client opens one stream for each channel, told apart by the header `streamType`.
import type { Duplex } from "node:stream";
import { type ChannelMessage, type ChannelName, type ChannelPeer, channels } from "./channels.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";

/** A client that has not opened its streams by then will not (Kubernetes: 30 s). */
const openTimeoutMs = 30_000;

/**
 * @param wanted the channels that the client's request promises; others are refused
 */
export function spdyChannels(socket: Duplex, wanted: ReadonlySet<ChannelName>): ChannelPeer {
  const connection = new SpdyConnection(socket);
  const streams = new Map<number, SpdyStream>();
  const allOpen = Promise.withResolvers<void>();
  const tooLate = setTimeout(() => socket.destroy(), openTimeoutMs);
  void allOpen.promise.then(() => clearTimeout(tooLate));
  const isWanted = (name: string | undefined): name is ChannelName =>
    name !== undefined && wanted.has(name as ChannelName);

  return {
    async run(receive) {
      await connection.run((stream) => {
        const name = stream.headers.get("streamtype");
        if (!isWanted(name) || streams.has(channels[name])) return undefined;
        const channel = channels[name];
        streams.set(channel, stream);
        if (streams.size === wanted.size) allOpen.resolve();
        return {
          data: (bytes) => receive({ channel, bytes }),
          end: () => receive({ channel, bytes: new Uint8Array(), end: true }),
        };
      });
      // Whoever waits to write finds the socket gone.
      allOpen.resolve();
    },
    async send({ channel, bytes, end }: ChannelMessage) {
      await allOpen.promise;
      const stream = streams.get(channel);
      if (bytes.length > 0) await stream?.write(bytes);
      if (end) await stream?.end();
    },
    close() {
      void allOpen.promise
        .then(() => Promise.all([...streams.values()].map((stream) => stream.end())))
        .then(() => connection.close());
    },
  };
}
