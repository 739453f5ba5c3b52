// Addresses of names, under policies that are not in force: an agent labels them with the texts of `toFQDNs` that it knows,
// so a text that is new is on none of them yet. Pure.
import { compileDnsPattern, Labels } from "@tsilium/net";
import type { Policy } from "@tsilium/policy/model.ts";

const source = "fqdn";

/**
 * What labels an identity would have if these policies were in force too. Which names it stands for is told by its labels
 * alone: of addresses that only a pattern found, nothing more is known.
 */
export function labeller(policies: readonly Policy[]): (labels: Labels) => Labels {
  const selectors = selectorsOf(policies);
  return (labels) => {
    const names = namesOf(labels);
    const added = selectors.filter(({ matches }) => names.some(matches));
    if (added.length === 0) return labels;
    return labels.with(Labels.of(added.map(({ text }) => ({ source, key: text, value: "" }))));
  };
}

function namesOf(labels: Labels): string[] {
  return [...labels]
    .filter((label) => label.source === source && !label.key.includes("*"))
    .map(({ key }) => key);
}

function selectorsOf(policies: readonly Policy[]) {
  const peers = policies
    .flatMap(({ specs }) => specs)
    .flatMap(({ rules }) => rules)
    .flatMap((rule) => rule.peers ?? []);
  return peers.flatMap((peer) => {
    if (peer.kind !== "fqdn") return [];
    const text = peer.matchName ?? peer.matchPattern ?? "";
    return [{ text, matches: compileDnsPattern(peer) }];
  });
}
