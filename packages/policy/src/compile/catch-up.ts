// Brings slots that stay up to date with peers and cidr-sets that came and went. Nobody else's verdict changes by it.
import type { CidrSetChanges } from "./cidr-sets.ts";
import type { DeltaDraft } from "./delta.ts";
import { SlotError } from "./errors.ts";
import type { LiveSlot } from "./live-slot.ts";
import type { KnownPeer, PeerChanges, Peers } from "./peers.ts";
import type { SlotStore } from "./slot-store.ts";

export type Changes = {
  readonly peers: PeerChanges;
  readonly sets: CidrSetChanges;
};

export type Surroundings = {
  readonly peers: Peers<LiveSlot>;
  readonly store: SlotStore;
};

/** Slots that treat somebody who changed by what he was. */
export function outdatedBy({ peers, sets }: Changes, around: Surroundings): LiveSlot[] {
  const { live } = around.store;
  const outdated = new Set<LiveSlot>();
  for (const peer of peers.changed) {
    const parties = partiesBySlot(peer, live, around.peers);
    for (const slot of live) if (!slot.holdsPeer(peer, parties.get(slot) ?? [])) outdated.add(slot);
  }
  for (const [id, texts] of sets.changed)
    for (const slot of live) if (!slot.holdsSet(id, texts)) outdated.add(slot);
  return [...outdated];
}

/** Adds to `slots` and the draft. Answers those that have no room. */
export function catchUp(
  slots: ReadonlySet<LiveSlot>,
  changes: Changes,
  options: Surroundings & { readonly draft: DeltaDraft },
): Set<LiveSlot> {
  forget(slots, changes, options.draft);
  const full = new Set<LiveSlot>();
  const learn = (slot: LiveSlot, add: () => void) => {
    try {
      add();
    } catch (error) {
      if (!(error instanceof SlotError)) throw error;
      full.add(slot);
    }
  };
  for (const peer of changes.peers.added)
    for (const [slot, parties] of partiesBySlot(peer, slots, options.peers))
      learn(slot, () => slot.addPeer(peer, parties, options.draft.additionsTo(slot.number)));
  for (const [id, texts] of changes.sets.added)
    for (const slot of options.store.lookersAt(texts).intersection(slots))
      learn(slot, () => slot.addSet(id, texts, options.draft.additionsTo(slot.number)));
  return full;
}

function forget(
  slots: ReadonlySet<LiveSlot>,
  { peers, sets }: Changes,
  { parts }: DeltaDraft,
): void {
  for (const identity of peers.removed)
    for (const slot of slots)
      if (slot.deletePeer(identity)) parts.removedClasses.push({ slot: slot.number, identity });
  for (const cidrSet of sets.removed)
    for (const slot of slots)
      if (slot.deleteSet(cidrSet)) parts.removedCidrClasses.push({ slot: slot.number, cidrSet });
}

/** Those slots that may tell the peer from a stranger, with the parties that it belongs to in each, in order. */
function partiesBySlot(
  peer: KnownPeer,
  slots: ReadonlySet<LiveSlot>,
  { selectors }: Peers<LiveSlot>,
): Map<LiveSlot, number[]> {
  const found = new Map<LiveSlot, Set<number>>();
  if (slots.size === 0) return new Map();
  for (const slot of slots) if (looksCloser(slot, peer)) found.set(slot, new Set());
  for (const { key, users } of selectors.matching(peer.labels))
    for (const slot of users) {
      if (!slots.has(slot)) continue;
      const parties = found.get(slot) ?? new Set();
      found.set(slot, parties);
      for (const party of slot.plan.grouping.selectors.get(key)?.parties ?? []) parties.add(party);
    }
  return new Map([...found].map(([slot, parties]) => [slot, [...parties].sort((a, b) => a - b)]));
}

/** Whether more than selectors may matter: the view of addresses, or named ports. */
function looksCloser({ plan }: LiveSlot, { isExternal, namedPorts }: KnownPeer): boolean {
  const usesNames = plan.grouping.names.all.size > 0;
  return (isExternal && plan.header.looksAtExternal) || (namedPorts.length > 0 && usesNames);
}
