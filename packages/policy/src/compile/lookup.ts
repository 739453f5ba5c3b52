// A slot asked as the kernel asks it (bpf/lib/policy.h): peer to class, address to cidr class, then the longest port
// prefix, then any protocol. Whoever wants to know what the kernel does with a packet asks here.
import type { CompiledSlot, DenyResponse, EntryVerdict, RuleEntry } from "../model.ts";

export type LookupQuestion = {
  readonly identity: number;
  /** Of the peer's address; 0: none. */
  readonly cidrSet: number;
  readonly protocol: number;
  /** Of the flow's destination; an ICMP type for ICMP. */
  readonly port: number;
  /** Whether the kernel knows the identity (tsi_identities). Default true. */
  readonly isKnown?: boolean;
};

export type LookupAnswer =
  | {
      readonly kind: "decided";
      readonly verdict: EntryVerdict;
      readonly rule: number;
      readonly response: DenyResponse;
      /** Of a redirect; 0 for others. */
      readonly proxyPort: number;
    }
  /** Dropped, since it may be somebody that a rule denies. */
  | { readonly kind: "unknown-peer" };

/** What a slot decides for a packet. The slot is indexed once, at the first question. */
export function lookup(slot: CompiledSlot, question: LookupQuestion): LookupAnswer {
  let index = indexes.get(slot);
  if (!index) indexes.set(slot, (index = indexOf(slot)));
  const kind = classify(slot, index, question);
  if (!kind) return { kind: "unknown-peer" };
  const { verdict, rule, response, proxyPort } = findRule(slot, index, {
    ...question,
    ...kind,
  }) ?? { ...slot.otherwise, response: slot.response, proxyPort: 0 };
  return { kind: "decided", verdict, rule, response, proxyPort };
}

type Index = {
  readonly classes: ReadonlyMap<number, { readonly class: number; readonly ignoresCidr: boolean }>;
  readonly cidrClasses: ReadonlyMap<number, number>;
  readonly rules: ReadonlyMap<string, RuleEntry>;
};

type PeerKey = { readonly class: number; readonly cidrClass: number };
type RuleKey = PeerKey & Pick<RuleEntry, "protocol" | "port" | "portLength">;

const indexes = new WeakMap<CompiledSlot, Index>();

function indexOf({ classes, cidrClasses, rules }: CompiledSlot): Index {
  return {
    classes: new Map(classes.map((entry) => [entry.identity, entry])),
    cidrClasses: new Map(cidrClasses.map((entry) => [entry.cidrSet, entry.class])),
    rules: new Map(rules.map((entry) => [textOf(entry), entry])),
  };
}

function classify(
  slot: CompiledSlot,
  { classes, cidrClasses }: Index,
  { identity, cidrSet, isKnown = true }: LookupQuestion,
): PeerKey | undefined {
  const found = classes.get(identity);
  if (!found && slot.knownPeersOnly && !isKnown) return undefined;
  const ignoresCidr = found ? found.ignoresCidr : slot.defaultIgnoresCidr;
  const byAddress = slot.usesCidr && !ignoresCidr;
  return {
    class: found?.class ?? 0,
    cidrClass: byAddress ? (cidrClasses.get(cidrSet) ?? 0) : 0,
  };
}

function findRule(
  { portLengths }: CompiledSlot,
  { rules }: Index,
  { protocol, port, ...kind }: LookupQuestion & PeerKey,
): RuleEntry | undefined {
  for (const portLength of portLengths.toSorted((a, b) => b - a)) {
    const block = (port >> (16 - portLength)) << (16 - portLength);
    const found = rules.get(textOf({ ...kind, protocol, port: block, portLength }));
    if (found) return found;
  }
  return rules.get(textOf({ ...kind, protocol: 0, port: 0, portLength: 0 }));
}

function textOf({ class: peer, cidrClass, protocol, port, portLength }: RuleKey): string {
  return `${peer} ${cidrClass} ${protocol} ${port}/${portLength}`;
}
