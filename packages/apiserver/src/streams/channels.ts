// A remote command's streams as numbered channels, as Kubernetes numbers them on a WebSocket (v4.channel.k8s.io). Every
// transport (SPDY, WebSocket, the socket of a kubelet) becomes this one shape, and any two of them can be joined.
import { once } from "node:events";
import type { Writable } from "node:stream";

export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
export type ChannelName = keyof typeof channels;

/** Bytes of one channel, or with `end` that no more will come on it. */
export type ChannelMessage = {
  readonly channel: number;
  readonly bytes: Uint8Array;
  readonly end?: boolean;
};

/** Takes one message; resolves when there is room for the next. Messages for who has left are dropped. */
export type ChannelSink = (message: ChannelMessage) => Promise<void>;

export type ChannelPeer = {
  /** Hands over what comes from the peer, one by one; resolves when it has said its last or is gone. Never rejects. */
  run(receive: ChannelSink): Promise<void>;
  readonly send: ChannelSink;
  /** Delivers what was sent, then ends the connection. Idempotent. */
  close(): void;
};

/** Passes messages both ways until one side has ended; then so does the other. */
export async function join(left: ChannelPeer, right: ChannelPeer): Promise<void> {
  await Promise.all([
    left.run(right.send).then(() => right.close()),
    right.run(left.send).then(() => left.close()),
  ]);
}

/**
 * How often a client is asked whether it is there. One that has left while we do not read it, since a program does not take
 * its input, is noticed by nothing else: its end stands behind what it has sent.
 */
export const heartbeatMs = 10_000;

/** Writes at the reader's pace. Resolves also when the reader is gone: what is written then is for nobody. */
export async function writeTo(stream: Writable, bytes: Uint8Array): Promise<void> {
  if (stream.destroyed || stream.writableEnded || stream.write(bytes)) return;
  const waiting = new AbortController();
  const { signal } = waiting;
  try {
    // Whichever comes first; "close" follows also an error.
    await Promise.race([once(stream, "drain", { signal }), once(stream, "close", { signal })]);
  } catch {
    // It failed: that is the end of it, and told by its reading side.
  } finally {
    waiting.abort();
  }
}
