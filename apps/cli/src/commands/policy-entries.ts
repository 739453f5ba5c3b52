// The kernel's policy entries as people read them: whose traffic, which ports, what becomes of it, by which rule. Pure.
import type { KernelSlot } from "@tsilium/datapath";

export type Direction = "ingress" | "egress";

/** Whom an entry is about. */
export type EntryPeers = {
  /** Those of the entry's class; undefined: everybody who has no class of his own. */
  readonly identities: readonly number[] | undefined;
  /** Only at these addresses; undefined: wherever no such entry says otherwise. */
  readonly prefixes: readonly string[] | undefined;
};

export type PolicyEntryRow = {
  readonly direction: Direction;
  readonly peers: EntryPeers;
  /** "TCP", "ICMP", ... or "any". */
  readonly protocol: string;
  /** "80", "8000-8063", "any"; an ICMP type. */
  readonly ports: string;
  readonly verdict: string;
  /** Of a redirect: the proxy's listener. */
  readonly proxyPort?: number;
  readonly response: string;
  /** Number of the rule, 0: none. */
  readonly rule: number;
};

/** Slots that are always the same (bpf/maps/policy.h). */
const unknownSlot = 0;
const allowSlot = 1;

export type SlotContext = {
  readonly direction: Direction;
  readonly slots: ReadonlyMap<number, KernelSlot>;
  /** Prefixes of the address table, by the number of their cidr set. */
  readonly prefixes: ReadonlyMap<number, readonly string[]>;
};

/** Entries of a slot, the default last. */
export function entryRows(
  number: number,
  { direction, slots, prefixes }: SlotContext,
): PolicyEntryRow[] {
  const anybody = { identities: undefined, prefixes: undefined };
  const whole = {
    direction,
    peers: anybody,
    protocol: "any",
    ports: "any",
    response: "drop",
    rule: 0,
  };
  if (number === unknownSlot) return [{ ...whole, verdict: "not known yet: dropped" }];
  if (number === allowSlot) return [{ ...whole, verdict: "allow" }];
  const slot = slots.get(number);
  if (!slot) return [{ ...whole, verdict: "not there: dropped" }];
  const rows = slot.rules.toSorted(byPlace).map((entry) => ({
    direction,
    peers: peersOf(slot, entry, prefixes),
    ...portsOf(entry),
    verdict: entry.verdict ?? "unknown",
    ...(entry.proxyPort === 0 ? {} : { proxyPort: entry.proxyPort }),
    response: entry.response,
    rule: entry.rule,
  }));
  const { verdict = "unknown", response, rule } = slot.default;
  return [...rows, { ...whole, verdict, response, rule }];
}

type Entry = KernelSlot["rules"][number];

function byPlace(a: Entry, b: Entry): number {
  // The class of everybody else comes last.
  const rank = ({ class: number }: Entry) => (number === 0 ? Infinity : number);
  return (
    (rank(a) === rank(b) ? 0 : rank(a) - rank(b)) ||
    b.cidrClass - a.cidrClass ||
    a.protocol - b.protocol ||
    a.port - b.port ||
    b.portLength - a.portLength
  );
}

function peersOf(slot: KernelSlot, entry: Entry, prefixes: SlotContext["prefixes"]): EntryPeers {
  const inClass = slot.classes.filter((one) => one.class === entry.class);
  const sets = slot.cidrClasses.filter((one) => one.class === entry.cidrClass);
  return {
    identities: entry.class === 0 ? undefined : inClass.map(({ identity }) => identity),
    prefixes:
      entry.cidrClass === 0
        ? undefined
        : sets.flatMap(({ cidrSet }) => prefixes.get(cidrSet) ?? []).toSorted(),
  };
}

function portsOf(entry: Entry): { readonly protocol: string; readonly ports: string } {
  const { protocol, port, portLength } = entry;
  const last = port + 2 ** (16 - portLength) - 1;
  const some = portLength === 16 ? String(port) : `${port}-${last}`;
  return {
    protocol: protocol === 0 ? "any" : protocolName(protocol),
    ports: portLength === 0 ? "any" : some,
  };
}

export function protocolName(protocol: number): string {
  const names: Record<number, string> = {
    1: "ICMP",
    6: "TCP",
    17: "UDP",
    58: "ICMPv6",
    132: "SCTP",
  };
  return names[protocol] ?? String(protocol);
}
