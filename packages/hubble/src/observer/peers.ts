// Where the cluster's Hubble servers are, as the agent knows from its nodes; Peer.Notify tells it on.

export type HubblePeer = {
  /** The node's name as flows have it: "node-1", "cluster/node-1". */
  readonly name: string;
  /** "172.18.0.2:4244". */
  readonly address: string;
  /** In its certificate; undefined: it speaks plain text. */
  readonly tlsServerName: string | undefined;
};

export type PeerChange = {
  readonly type: "added" | "deleted" | "updated";
  readonly peer: HubblePeer;
};

/** What a watcher was told of a peer, and what it still has to be told. */
type Watcher = { readonly told: Map<string, HubblePeer>; wake: () => void };

export class HubblePeers {
  #peers: ReadonlyMap<string, HubblePeer> = new Map();
  readonly #watchers = new Set<Watcher>();

  /** All peers there are now. Those that are as they were change nothing. */
  set(peers: Iterable<HubblePeer>): void {
    this.#peers = new Map([...peers].map((peer) => [peer.name, peer]));
    for (const { wake } of this.#watchers) wake();
  }

  list(): readonly HubblePeer[] {
    return [...this.#peers.values()];
  }

  /**
   * Every peer there is as "added", then each change. A watcher that is slow is told what came of several changes, so that
   * it holds one entry for each peer, no more. @throws the signal's reason
   */
  async *watch(signal: AbortSignal): AsyncGenerator<readonly PeerChange[]> {
    const watcher: Watcher = { told: new Map(), wake: () => undefined };
    const wakeUp = () => watcher.wake();
    this.#watchers.add(watcher);
    signal.addEventListener("abort", wakeUp);
    try {
      for (;;) {
        signal.throwIfAborted();
        const changes = this.#changesFor(watcher);
        if (changes.length > 0) {
          yield changes;
          continue;
        }
        const { promise, resolve } = Promise.withResolvers<void>();
        watcher.wake = resolve;
        await promise;
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener("abort", wakeUp);
    }
  }

  #changesFor({ told }: Watcher): PeerChange[] {
    const changes: PeerChange[] = [];
    for (const [name, peer] of told)
      if (!this.#peers.has(name)) changes.push({ type: "deleted", peer });
    for (const [name, peer] of this.#peers) {
      const before = told.get(name);
      if (!before) changes.push({ type: "added", peer });
      else if (!isSame(before, peer)) changes.push({ type: "updated", peer });
    }
    for (const { type, peer } of changes)
      if (type === "deleted") told.delete(peer.name);
      else told.set(peer.name, peer);
    return changes;
  }
}

function isSame(a: HubblePeer, b: HubblePeer): boolean {
  return a.address === b.address && a.tlsServerName === b.tlsServerName;
}

/**
 * The name in a node's Hubble certificate, as Cilium makes it: dots in either name would be parts of the domain.
 * "node-1" in "default" is "node-1.default.hubble-grpc.cilium.io".
 */
export function hubbleServerName(node: string, cluster: string): string {
  const part = (name: string) => name.replaceAll(".", "-");
  return `${part(node)}.${part(cluster)}.hubble-grpc.cilium.io`;
}
