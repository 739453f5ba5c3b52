// Who the peers are: Peer.Notify of one of several servers, of any node. While none answers, who was known stays known.
import type { Logger } from "@tsilium/runtime";
import { Code, ConnectError, connectTo, createClient, type GrpcClient } from "../grpc/index.ts";
import {
  type ChangeNotification,
  ChangeNotificationType,
  Peer as PeerService,
} from "../gen/peer/peer_pb.ts";
import { hubbleServerName } from "../observer/peers.ts";
import type { PeerAddress, PeerTls } from "./peer.ts";
import { Bell, Retries } from "./waiting.ts";

export type PeerServiceOptions = {
  /** "unix:///path" or "host:port"; tried one after the other. */
  readonly addresses: readonly string[];
  readonly tls: PeerTls | undefined;
  readonly clusterName: string;
  readonly dialTimeoutMs: number;
  readonly retryTimeoutMs: number;
  /** After so long a server has told all the peers it has: others are gone. */
  readonly settleMs: number;
  readonly onPeer: (peer: PeerAddress) => void;
  readonly onGone: (name: string) => void;
  /** Only these are left of those that were known. */
  readonly onSettled: (names: ReadonlySet<string>) => void;
  readonly onConnected: (connected: boolean) => void;
  readonly log: Logger;
};

/** Follows until the signal. Never rejects. */
export async function followPeers(options: PeerServiceOptions, signal: AbortSignal): Promise<void> {
  const { addresses, log, retryTimeoutMs, onConnected } = options;
  const bell = new Bell();
  const retries = new Retries(retryTimeoutMs);
  let complained = "";
  let failures = 0;
  for (let turn = 0; !signal.aborted; turn++) {
    const address = addresses[turn % addresses.length] as string;
    const begunMs = performance.now();
    try {
      await followOne(address, options, signal);
    } catch (error) {
      if (signal.aborted) return;
      onConnected(false);
      const wasGood = (error as NotifyError).connected && performance.now() - begunMs > goodMs;
      if (wasGood) {
        retries.reset();
        failures = 0;
      }
      const complaint = `${address}: ${(error as Error).message}`;
      if (wasGood || complained !== complaint)
        log.warn({ peerService: address, error }, "no news of peers from here");
      complained = complaint;
      // All of them are tried before anybody waits.
      if (++failures % addresses.length !== 0) continue;
      await bell.wait(retries.next(), signal);
    }
  }
}

/** A stream of news that lived for so long was a good one. */
const goodMs = 1000;

class NotifyError extends Error {
  readonly code = "peer_service";
  /** It had told of peers before. */
  readonly connected: boolean;

  constructor(cause: Error, connected: boolean) {
    super(cause.message, { cause });
    this.name = "NotifyError";
    this.connected = connected;
  }
}

/** @throws NotifyError always, except when the signal is aborted */
async function followOne(
  address: string,
  options: PeerServiceOptions,
  signal: AbortSignal,
): Promise<void> {
  const { onPeer, onGone, onSettled, onConnected, settleMs, dialTimeoutMs, log } = options;
  const told = new Set<string>();
  const call = new AbortController();
  const abort = () => call.abort(signal.reason);
  signal.addEventListener("abort", abort);
  let connected = false;
  let timer: NodeJS.Timeout | undefined;
  let client: GrpcClient | undefined;
  try {
    client = connectToService(address, options);
    // One that accepts and says nothing is no better than one that refuses: every cluster has a node.
    timer = setTimeout(
      () => call.abort(new ConnectError("it names no peer", Code.DeadlineExceeded)),
      2 * dialTimeoutMs,
    );
    const changes = createClient(PeerService, client.transport).notify(
      {},
      // Without end: the default deadline of unary calls is not for it.
      { signal: call.signal, timeoutMs: 0 },
    );
    for await (const change of changes) {
      if (!connected) {
        connected = true;
        clearTimeout(timer);
        timer = setTimeout(() => onSettled(told), settleMs);
        onConnected(true);
        log.info({ peerService: address }, "follows peers");
      }
      if (change.name === "") continue;
      if (change.type === ChangeNotificationType.PEER_DELETED) {
        told.delete(change.name);
        onGone(change.name);
      } else {
        told.add(change.name);
        onPeer(addressOf(change));
      }
    }
    throw new ConnectError("it ended the stream", Code.Unavailable);
  } catch (error) {
    const cause = call.signal.aborted ? (call.signal.reason as Error) : (error as Error);
    throw new NotifyError(cause, connected);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    client?.close();
  }
}

function connectToService(address: string, options: PeerServiceOptions): GrpcClient {
  const { tls, dialTimeoutMs, clusterName } = options;
  const limits = { dialTimeoutMs, pingIntervalMs: 10_000, pingTimeoutMs: 10_000 };
  if (address.startsWith("unix:") || tls === undefined) return connectTo(address, limits);
  // A service in front of all nodes has Cilium's name of it.
  return connectTo(address, {
    ...limits,
    tls: { ...tls, serverName: hubbleServerName("hubble-peer", clusterName) },
  });
}

function addressOf({ name, address, tls }: ChangeNotification): PeerAddress {
  return { name, address, serverName: tls?.serverName };
}
