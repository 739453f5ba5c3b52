// The least that pods need: one policy for each group of them, with rules for exactly the connections that were seen.
import type { SeenConnection } from "../replay/seen-connection.ts";
import { Groups, type Pods } from "./groups.ts";
import { type PolicyManifest, policyManifest, type SuggestedKind } from "./manifest.ts";
import { objectName, partyName, unusedName } from "./names.ts";
import {
  DeniedNeeds,
  type Direction,
  type Need,
  type RuleContext,
  type Rules,
  rulesFor,
} from "./needs.ts";
import { partyKey } from "./party.ts";
import { compareTexts } from "./text.ts";

export type SuggestOptions = {
  /** Whose pods get policies. */
  readonly namespaces: readonly string[];
  readonly kind: SuggestedKind;
  /** The world by the addresses that were seen, not as an entity. NetworkPolicy has nothing else. */
  readonly cidr: boolean;
  /** Allow what was denied as well. */
  readonly includeDrops: boolean;
  /** Pods of other clusters get no policy here. */
  readonly clusterName: string;
};

export type Suggestion = {
  /** Sorted by namespace and name. */
  readonly policies: readonly PolicyManifest[];
  /** Connections that have a part in it. */
  readonly connections: readonly SeenConnection[];
  /** Connections that rules of this kind cannot name: ICMP and entities in a NetworkPolicy. */
  readonly unnameable: readonly SeenConnection[];
};

/** Policies that allow all of these connections and, of what was seen, nothing else. `prove` checks it. */
export function suggest(
  connections: readonly SeenConnection[],
  options: SuggestOptions,
): Suggestion {
  const concerned = connections.filter((connection) => concerns(connection, options));
  const groups = new Groups(concerned.flatMap(({ from, to }) => [from.party, to.party]));
  const used = new Map<string, Set<string>>();
  const unnameable = new Set<SeenConnection>();
  const policies = subjectsOf(concerned, options).map(({ pods, ingress, egress }) => {
    const rules = (needs: readonly Need[]) => rulesOf(needs, { ...options, groups, subject: pods });
    const directions = { ingress: rules(ingress), egress: rules(egress) };
    for (const need of [...directions.ingress.unnameable, ...directions.egress.unnameable])
      unnameable.add(need.connection);
    return policyManifest({
      kind: options.kind,
      name: nameOf(pods, used),
      subject: groups.selectorOf(pods),
      ingress: directions.ingress.rules,
      egress: directions.egress.rules,
    });
  });
  return { policies, connections: concerned, unnameable: [...unnameable] };
}

/** Whether an end of it gets a policy. */
export function concerns(connection: SeenConnection, options: SuggestOptions): boolean {
  return [connection.from, connection.to].some(({ party }) => isSubject(party, options));
}

/** Whether it is to be allowed. */
export function isWanted(
  { outcome }: SeenConnection,
  { includeDrops }: Pick<SuggestOptions, "includeDrops">,
): boolean {
  return includeDrops || outcome === "forwarded";
}

function isSubject(
  party: SeenConnection["from"]["party"],
  { namespaces, clusterName }: SuggestOptions,
): party is Pods {
  return (
    party.kind === "pods" &&
    namespaces.includes(party.namespace) &&
    (party.cluster === "" || party.cluster === clusterName)
  );
}

/** A group of pods, and all that they wanted, allowed or not. */
type Subject = { readonly pods: Pods; readonly ingress: Need[]; readonly egress: Need[] };

function subjectsOf(
  connections: readonly SeenConnection[],
  options: SuggestOptions,
): readonly Subject[] {
  const found = new Map<string, Subject>();
  const add = (direction: Direction, connection: SeenConnection) => {
    const { from, to, port } = connection;
    const [own, peer] = direction === "egress" ? [from, to] : [to, from];
    if (!isSubject(own.party, options)) return;
    const subject = found.get(own.key) ?? { pods: own.party, ingress: [], egress: [] };
    found.set(own.key, subject);
    subject[direction].push({ direction, peer, port, connection });
  };
  for (const connection of connections) {
    add("egress", connection);
    add("ingress", connection);
  }
  const key = ({ pods }: Subject) => `${pods.namespace}/${partyName(pods)}/${partyKey(pods)}`;
  return [...found.values()].toSorted((a, b) => compareTexts(key(a), key(b)));
}

function rulesOf(
  needs: readonly Need[],
  context: Omit<RuleContext, "denied"> & Pick<SuggestOptions, "includeDrops">,
): Rules {
  const isNeeded = ({ connection }: Need) => isWanted(connection, context);
  const denied = new DeniedNeeds(needs.filter((need) => !isNeeded(need)));
  return rulesFor(needs.filter(isNeeded).toSorted(inOrder), { ...context, denied });
}

function nameOf(pods: Pods, used: Map<string, Set<string>>): string {
  const names = used.get(pods.namespace) ?? new Set();
  used.set(pods.namespace, names);
  return unusedName(objectName(partyName(pods)), names);
}

/** Pods of the namespace, other pods, entities: as people write them. */
function inOrder(a: Need, b: Need): number {
  const key = ({ peer: { party, key: name, address } }: Need) =>
    `${party.kind === "pods" ? 0 : 1}${name} ${address}`;
  return compareTexts(key(a), key(b));
}
