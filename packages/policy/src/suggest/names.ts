// Names of suggested policies: what a person would call them, as the API server takes them (RFC 1123).
import type { RulePeer } from "./manifest.ts";
import type { Party } from "./party.ts";

/** Labels that name a workload, best first. */
const nameKeys = [
  "app.kubernetes.io/name",
  "app",
  "k8s-app",
  "name",
  "app.kubernetes.io/component",
  "app.kubernetes.io/instance",
];

/** "web", "world", "203-0-113-10", "all-pods". */
export function partyName(party: Party | RulePeer): string {
  if (party.kind === "entity") return party.name;
  if (party.kind === "address") return party.address;
  const key = nameKeys.find((name) => party.labels[name]) ?? Object.keys(party.labels)[0];
  return (key === undefined ? "" : party.labels[key]) || "all-pods";
}

const longest = 63;

/** A name of these words. */
export function objectName(...words: readonly string[]): string {
  const text = words
    .join("-")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-");
  return text.slice(0, longest).replaceAll(/^-+|-+$/g, "") || "suggested";
}

/** The name, or the name and a number if others have it already. Remembers what it gave. */
export function unusedName(name: string, used: Set<string>): string {
  let candidate = name;
  for (let n = 2; used.has(candidate); n++) {
    const suffix = `-${n}`;
    candidate = `${name.slice(0, longest - suffix.length).replace(/-+$/, "")}${suffix}`;
  }
  used.add(candidate);
  return candidate;
}
