// A slot as it would be, for a question: built for whoever is asked about, told to nobody, gone with the question.
import type { Address, Prefix } from "@tsilium/net";
import type { CompiledSlot, Direction, RuleName, Subject } from "../model.ts";
import type { Catalog } from "./catalog.ts";
import { requestFor } from "./enforcement.ts";
import { type CidrSetSource, LiveSlot } from "./live-slot.ts";
import { makePlan } from "./make-plan.ts";
import type { KnownPeer, PeerSource } from "./peers.ts";
import { RuleLease, RuleNumbers } from "./rule-numbers.ts";
import { countedPorts } from "./rule-set-ports.ts";
import { RuleSetLease, RuleSets } from "./rule-sets.ts";
import { selects } from "./selectors.ts";

export type StudyOptions = {
  readonly catalog: Catalog;
  /** Whom it knows. */
  readonly peers: PeerSource;
  /** Sets for the prefixes that its rules name. */
  setsFor(prefixes: ReadonlyMap<string, Prefix>): CidrSetSource;
};

export type StudiedSlot = {
  readonly live: LiveSlot;
  readonly compiled: CompiledSlot;
  ruleName(rule: number): RuleName | undefined;
};

/** undefined: nothing restricts the subject. @throws SlotError */
export function study(
  subject: Subject,
  direction: Direction,
  { catalog, peers, setsFor }: StudyOptions,
): StudiedSlot | undefined {
  const request = requestFor(subject, direction, catalog);
  if (!request) return undefined;
  const lease = new RuleLease(new RuleNumbers(1));
  const ruleSets = new RuleSetLease(new RuleSets(countedPorts()));
  const { settings } = catalog;
  const live = new LiveSlot(0, makePlan(request, { settings, lease, ruleSets }));
  const named = [...live.plan.grouping.prefixes].map(
    ([text, { prefix }]) => [text, prefix] as const,
  );
  const compiled = live.fill(peers, setsFor(new Map(named)));
  return { live, compiled, ruleName: (rule) => lease.name(rule) };
}

/** Nobody but these, who need not be registered anywhere. */
export function onlyPeers(peers: readonly KnownPeer[]): PeerSource {
  const ids = (chosen: readonly KnownPeer[]) => chosen.map(({ id }) => id);
  return {
    find: ({ selector }) => ids(peers.filter(({ labels }) => selects(selector, labels))),
    get: (id) => peers.find((peer) => peer.id === id),
    external: ids(peers.filter(({ isExternal }) => isExternal)),
    withNamedPorts: ids(peers.filter(({ namedPorts }) => namedPorts.length > 0)),
  };
}

/** Texts of the prefixes that an address lies in. */
export function coveringTexts(
  prefixes: ReadonlyMap<string, Prefix>,
  address: Address | undefined,
): string[] {
  if (!address) return [];
  return [...prefixes].filter(([, prefix]) => prefix.contains(address)).map(([text]) => text);
}
