// ICMP echo over a raw socket of its own for each run, connected: the kernel gives it nothing but what comes from the
// address that is asked, and nothing at all between runs.
import { randomInt } from "node:crypto";
import type { Address, Family } from "@tsilium/net";
import {
  AF_INET,
  AF_INET6,
  close,
  connect,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  recvfrom,
  sendto,
  setsockopt,
  SOCK_NONBLOCK,
  SOCK_RAW,
  sockaddrIn,
  sockaddrIn6,
  socket,
  watchReadable,
} from "@tsilium/syscall";
import { decodeEchoReply, encodeEcho } from "./echo.ts";
import type { ProbeResult } from "./model.ts";

export type PingOptions = {
  /** Requests at most; the first answer ends the run. */
  readonly count: number;
  /** How long each request may take. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
};

/** include/uapi/linux/icmp.h, icmpv6.h */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const ICMPV6_FILTER = 1;
const echoReplyV6 = 129;

/**
 * Sends up to `count` requests, one after the other, until one is answered. What fails is a result, not an error.
 * Needs CAP_NET_RAW.
 */
export async function ping(address: Address, options: PingOptions): Promise<ProbeResult> {
  const at = new Date();
  let fd: number | undefined;
  try {
    fd = openSocket(address);
    return { at, ...(await ask(fd, address.family, options)) };
  } catch (error) {
    return { at, problem: (error as Error).message };
  } finally {
    if (fd !== undefined) close(fd);
  }
}

function openSocket(address: Address): number {
  const isV4 = address.family === 4;
  const fd = socket(
    isV4 ? AF_INET : AF_INET6,
    SOCK_RAW | SOCK_NONBLOCK,
    isV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6,
  );
  try {
    if (isV4) setsockopt(fd, SOL_RAW, ICMP_FILTER, ~1);
    else setsockopt(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, onlyEchoReplies());
    const { bytes } = address;
    connect(fd, isV4 ? sockaddrIn(bytes, 0) : sockaddrIn6(bytes, 0));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** struct icmp6_filter: a bit for each type that is kept away. */
function onlyEchoReplies(): Uint8Array {
  const blocked = new Uint32Array(8).fill(0xffff_ffff);
  blocked[echoReplyV6 >> 5] = ~(1 << (echoReplyV6 & 31));
  return new Uint8Array(blocked.buffer);
}

async function ask(
  fd: number,
  family: Family,
  { count, timeoutMs, signal }: PingOptions,
): Promise<{ latencyMs: number } | { problem: string }> {
  const identifier = randomInt(0x1_0000);
  let wake: (() => void) | undefined;
  using _watch = watchReadable(fd, () => wake?.());
  const sentAt: number[] = [];
  for (let sequence = 0; sequence < count; sequence++) {
    signal.throwIfAborted();
    sentAt[sequence] = performance.now();
    sendto(fd, encodeEcho(family, { identifier, sequence }));
    const deadline = sentAt[sequence]! + timeoutMs;
    for (let left = timeoutMs; left > 0; left = deadline - performance.now()) {
      const ready = Promise.withResolvers<void>();
      // Not from within the poll's callback, which must not end itself.
      wake = () => setImmediate(ready.resolve);
      const timer = setTimeout(ready.resolve, left);
      await ready.promise;
      clearTimeout(timer);
      signal.throwIfAborted();
      const answered = receive(fd, family, identifier, sentAt.length);
      if (answered !== undefined) return { latencyMs: performance.now() - sentAt[answered]! };
    }
  }
  return { problem: `no answer to ${count} echo requests` };
}

/** Reads all there is; the sequence number of an answer to one of `sent` requests. */
function receive(fd: number, family: Family, identifier: number, sent: number): number | undefined {
  const buffer = new Uint8Array(256);
  for (;;) {
    const received = recvfrom(fd, buffer);
    if (!received) return undefined;
    const echo = decodeEchoReply(family, buffer.subarray(0, received.length));
    if (echo?.identifier === identifier && echo.sequence < sent) return echo.sequence;
  }
}
