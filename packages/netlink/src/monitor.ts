// Changes of links, addresses, neighbours and routes as the kernel announces them (multicast groups).
import {
  AF_NETLINK,
  bind,
  close,
  isSyscallError,
  MSG_DONTWAIT,
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_ROUTE,
  recvfrom,
  setsockopt,
  sockaddrNetlink,
  socket,
  SOCK_RAW,
  SOL_NETLINK,
  SOL_SOCKET,
  SO_RCVBUF,
  watchReadable,
  withNetns,
} from "@tsilium/syscall";
import { decodeAddress, type InterfaceAddress } from "./address-codec.ts";
import { decodeLink, type Link } from "./link-codec.ts";
import { decodeMessages, type Message } from "./message.ts";
import { decodeNeighbour, type Neighbour } from "./neighbour-codec.ts";
import { decodeRoute, type Route } from "./route-codec.ts";
import * as rtm from "./types.ts";

type Kinds = {
  readonly link: Link;
  readonly address: InterfaceAddress;
  readonly neighbour: Neighbour;
  readonly route: Route;
};

/** `lost`: the kernel had more to say than the socket holds; list again to know what is true. */
export type RtnlEvent =
  | { readonly kind: "lost" }
  | {
      [Kind in keyof Kinds]: {
        readonly kind: Kind;
        readonly event: "upsert" | "delete";
        readonly row: Kinds[Kind];
      };
    }[keyof Kinds];

export type MonitorOptions = {
  readonly signal: AbortSignal;
  /** What to hear of; default links and addresses. */
  readonly kinds?: readonly (keyof Kinds)[];
  /** Path or descriptor of the network namespace; absent: the one the thread is in. */
  readonly netns?: string | number;
};

const groups: Readonly<Record<keyof Kinds, readonly number[]>> = {
  link: [rtm.RTNLGRP_LINK],
  address: [rtm.RTNLGRP_IPV4_IFADDR, rtm.RTNLGRP_IPV6_IFADDR],
  neighbour: [rtm.RTNLGRP_NEIGH],
  route: [rtm.RTNLGRP_IPV4_ROUTE, rtm.RTNLGRP_IPV6_ROUTE],
};

/** Room for bursts (a node that starts 100 pods), bytes; the kernel cuts it to net.core.rmem_max. */
const receiveBufferSize = 4 << 20;

/**
 * Batches of what changed, until `signal` aborts. Listening begins with this call, not with the first `next`:
 * whoever lists after it misses nothing. @throws SyscallError
 */
export function monitor(options: MonitorOptions): AsyncIterable<RtnlEvent[]> {
  const { signal, netns, kinds = ["link", "address"] } = options;
  signal.throwIfAborted();
  const subscribe = () => openSubscribed(kinds.flatMap((kind) => groups[kind]));
  const fd = netns === undefined ? subscribe() : withNetns(netns, subscribe);
  const stop = once(() => close(fd));
  signal.addEventListener("abort", stop, { once: true });
  return batches(fd, signal, stop);
}

function openSubscribed(multicastGroups: readonly number[]): number {
  const fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  try {
    bind(fd, sockaddrNetlink());
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, receiveBufferSize);
    for (const group of multicastGroups) setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

async function* batches(
  fd: number,
  signal: AbortSignal,
  stop: () => void,
): AsyncGenerator<RtnlEvent[], void> {
  let wake: () => void = () => {};
  const onAbort = () => wake();
  signal.addEventListener("abort", onAbort);
  try {
    while (!signal.aborted) {
      const events = receiveAll(fd);
      if (events.length > 0) {
        yield events;
        continue;
      }
      using _watch = watchReadable(fd, () => wake());
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Everything the socket holds now. */
function receiveAll(fd: number): RtnlEvent[] {
  const events: RtnlEvent[] = [];
  const buffer = new Uint8Array(65_536);
  for (;;) {
    try {
      const received = recvfrom(fd, buffer, MSG_DONTWAIT);
      if (!received) return events;
      for (const message of decodeMessages(buffer.subarray(0, received.length))) {
        const event = decodeEvent(message);
        if (event) events.push(event);
      }
    } catch (error) {
      if (!isSyscallError(error, "ENOBUFS")) throw error;
      events.push({ kind: "lost" });
    }
  }
}

/** What one announcement says; undefined for kinds this package does not know. Pure. */
export function decodeEvent({ type, payload }: Message): RtnlEvent | undefined {
  switch (type) {
    case rtm.RTM_NEWLINK:
    case rtm.RTM_DELLINK:
      return about("link", type === rtm.RTM_DELLINK, decodeLink(payload));
    case rtm.RTM_NEWADDR:
    case rtm.RTM_DELADDR:
      return about("address", type === rtm.RTM_DELADDR, decodeAddress(payload));
    case rtm.RTM_NEWNEIGH:
    case rtm.RTM_DELNEIGH:
      return about("neighbour", type === rtm.RTM_DELNEIGH, decodeNeighbour(payload));
    case rtm.RTM_NEWROUTE:
    case rtm.RTM_DELROUTE:
      return about("route", type === rtm.RTM_DELROUTE, decodeRoute(payload));
    default:
      return undefined;
  }
}

function about<Kind extends keyof Kinds>(
  kind: Kind,
  gone: boolean,
  row: Kinds[Kind] | undefined,
): RtnlEvent | undefined {
  if (!row) return undefined;
  return { kind, event: gone ? "delete" : "upsert", row } as RtnlEvent;
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
