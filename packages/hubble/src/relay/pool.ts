// All peers: who they are, and how each is.
import type { Logger } from "@tsilium/runtime";
import { Peer, type PeerAddress, type PeerOptions, type PeerState, type PeerTls } from "./peer.ts";
import { followPeers } from "./peer-service.ts";
import { Bell } from "./waiting.ts";

export type PoolOptions = {
  /** Where peers are told of, tried one after the other. */
  readonly peerServices: readonly string[];
  readonly tls: PeerTls | undefined;
  readonly clusterName: string;
  readonly dialTimeoutMs: number;
  readonly retryTimeoutMs: number;
  readonly probeIntervalMs?: number;
  readonly settleMs?: number;
  readonly log: Logger;
};

/** A peer that could not even be addressed is not in `peer`. */
export type PoolChange =
  | { readonly kind: "added" | "changed"; readonly peer: Peer }
  | { readonly kind: "removed"; readonly peer: Peer; readonly replaced: boolean };

export type UnusablePeer = { readonly about: PeerAddress; readonly error: string };

export class PeerPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #unusable = new Map<string, UnusablePeer>();
  readonly #listeners = new Set<(change: PoolChange) => void>();
  readonly #stopping = new AbortController();
  #following: Promise<void> | undefined;
  #serviceConnected = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** Begins to follow the peers. */
  start(): void {
    const { peerServices: addresses, settleMs = 30_000, ...rest } = this.#options;
    this.#following = followPeers(
      {
        ...rest,
        addresses,
        settleMs,
        onPeer: (about) => this.#put(about),
        onGone: (name) => this.#remove(name),
        onSettled: (names) => {
          for (const name of [...this.#peers.keys(), ...this.#unusable.keys()])
            if (!names.has(name)) this.#remove(name);
        },
        onConnected: (connected) => (this.#serviceConnected = connected),
      },
      this.#stopping.signal,
    );
  }

  /** By name. */
  get peers(): readonly Peer[] {
    return [...this.#peers.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Those whose address cannot be used. */
  get unusable(): readonly UnusablePeer[] {
    return [...this.#unusable.values()];
  }

  get serviceConnected(): boolean {
    return this.#serviceConnected;
  }

  count(state: PeerState): number {
    return [...this.#peers.values()].filter((peer) => peer.state === state).length;
  }

  /** Until the answer is disposed of, or is aborted. */
  subscribe(listener: (change: PoolChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Resolves when peers are known and none is being connected to for the first time, or after `ms`. */
  async settled(ms: number, signal: AbortSignal): Promise<void> {
    const bell = new Bell();
    using _ = this.subscribe(() => bell.ring());
    const untilMs = performance.now() + ms;
    const isSettling = () =>
      this.count("connecting") > 0 || (this.#peers.size === 0 && !this.#serviceConnected);
    while (isSettling() && !signal.aborted) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return;
      await bell.wait(leftMs, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new Error("relay stops"));
    await this.#following;
    for (const { name } of this.peers) this.#remove(name);
  }

  #put(about: PeerAddress): void {
    const known = this.#peers.get(about.name);
    if (known && isSame(known.about, about)) return;
    if (known) this.#remove(about.name, true);
    this.#unusable.delete(about.name);
    const { log } = this.#options;
    try {
      const peer = new Peer(about, this.#peerOptions());
      this.#peers.set(about.name, peer);
      this.#tell({ kind: "added", peer });
      peer.start();
      log.info({ peer: about.name, address: about.address }, "peer added");
    } catch (error) {
      this.#unusable.set(about.name, { about, error: (error as Error).message });
      log.warn({ peer: about.name, address: about.address, error }, "peer cannot be used");
    }
  }

  #remove(name: string, replaced = false): void {
    this.#unusable.delete(name);
    const peer = this.#peers.get(name);
    if (!peer) return;
    this.#peers.delete(name);
    this.#tell({ kind: "removed", peer, replaced });
    peer[Symbol.dispose]();
    this.#options.log.info({ peer: name }, "peer removed");
  }

  #peerOptions(): PeerOptions {
    const { tls, clusterName, dialTimeoutMs, retryTimeoutMs, log } = this.#options;
    return {
      tls,
      clusterName,
      dialTimeoutMs,
      retryTimeoutMs,
      probeIntervalMs: this.#options.probeIntervalMs ?? 10_000,
      probeTimeoutMs: dialTimeoutMs,
      onChange: (peer) => {
        if (peer.state === "failed")
          log.warn({ peer: peer.name, reason: peer.error }, "peer is unavailable");
        if (peer.state === "ready") log.info({ peer: peer.name }, "peer is connected");
        this.#tell({ kind: "changed", peer });
      },
    };
  }

  #tell(change: PoolChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function isSame(a: PeerAddress, b: PeerAddress): boolean {
  return a.address === b.address && a.serverName === b.serverName;
}
