// Everybody that a policy can be about, found by selectors, and what became different since slots were last brought up
// to date.
import type { Labels } from "@tsilium/net";
import type { PeerIdentity, PolicySettings } from "../model.ts";
import { SelectorIndex } from "./selector-index.ts";
import type { KeyedSelector } from "./selectors.ts";

export type KnownPeer = PeerIdentity & {
  /** Rules about addresses outside the cluster apply to it. */
  readonly isExternal: boolean;
};

/** Where a slot gets its peers from. */
export type PeerSource = {
  find(selector: KeyedSelector): Iterable<number>;
  get(id: number): KnownPeer | undefined;
  readonly external: Iterable<number>;
  readonly withNamedPorts: Iterable<number>;
};

export type PeerChanges = {
  readonly added: readonly KnownPeer[];
  /** Those whose labels or named ports are others now. */
  readonly changed: readonly KnownPeer[];
  readonly removed: readonly number[];
};

/** User: who wants to know of peers that its selectors match. */
export class Peers<User> implements PeerSource {
  readonly selectors = new SelectorIndex<User>();
  readonly external = new Set<number>();
  readonly withNamedPorts = new Set<number>();
  readonly #settings: PolicySettings;
  readonly #peers = new Map<number, KnownPeer>();
  /** Of peers touched since the last `takeChanges`: what they were then. */
  readonly #before = new Map<number, KnownPeer | undefined>();

  constructor(settings: PolicySettings) {
    this.#settings = settings;
  }

  set(identity: PeerIdentity): void {
    const { id, labels } = identity;
    const peer = knownPeer(identity, this.#settings);
    this.#touch(id);
    this.#peers.set(id, peer);
    this.selectors.set(id, labels);
    put(this.external, id, peer.isExternal);
    put(this.withNamedPorts, id, peer.namedPorts.length > 0);
  }

  delete(id: number): void {
    if (!this.#peers.has(id)) return;
    this.#touch(id);
    this.#peers.delete(id);
    this.selectors.delete(id);
    this.external.delete(id);
    this.withNamedPorts.delete(id);
  }

  get(id: number): KnownPeer | undefined {
    return this.#peers.get(id);
  }

  find(selector: KeyedSelector): ReadonlySet<number> {
    return this.selectors.find(selector);
  }

  takeChanges(): PeerChanges {
    const changes = { added: [], changed: [], removed: [] } as {
      added: KnownPeer[];
      changed: KnownPeer[];
      removed: number[];
    };
    for (const [id, before] of this.#before) {
      const now = this.#peers.get(id);
      if (before && !now) changes.removed.push(id);
      else if (!before && now) changes.added.push(now);
      else if (before && now && !isSame(before, now)) changes.changed.push(now);
    }
    this.#before.clear();
    return changes;
  }

  #touch(id: number): void {
    if (!this.#before.has(id)) this.#before.set(id, this.#peers.get(id));
  }
}

export function knownPeer(identity: PeerIdentity, settings: PolicySettings): KnownPeer {
  return { ...identity, isExternal: isExternal(identity.labels, settings) };
}

function isExternal(labels: Labels, { cidrMatchMode }: PolicySettings): boolean {
  const names = ["world", "world-ipv4", "world-ipv6"];
  if (cidrMatchMode.includes("nodes")) names.push("host", "remote-node", "kube-apiserver");
  return names.some((name) => labels.has(name, "reserved"));
}

function isSame(a: KnownPeer, b: KnownPeer): boolean {
  const portsOf = ({ namedPorts }: KnownPeer) =>
    namedPorts
      .map(({ name, protocol, port }) => `${protocol}/${name}=${port}`)
      .sort()
      .join();
  return a.labels.equals(b.labels) && portsOf(a) === portsOf(b);
}

function put(set: Set<number>, id: number, isMember: boolean): void {
  if (isMember) set.add(id);
  else set.delete(id);
}
