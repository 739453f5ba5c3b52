// Names as the REST API shows them, in Cilium's words: names end with a dot.
import { type NameBook, selectorRegex } from "@tsilium/fqdn";
import type { NameEntry, Refusal, SharedAddress } from "@tsilium/fqdn/model.ts";
import { Address, compileDnsPattern, type Prefix } from "@tsilium/net";

/** lookup: its time is not over, or was not when last looked at; connection: kept for a connection's sake. */
export type LookupSource = "lookup" | "connection";

/** One name that one endpoint looked up. */
export type DnsLookupView = {
  readonly fqdn: string;
  /** 0: not one of this node's pods, or no more. */
  readonly "endpoint-id": number;
  readonly source: LookupSource;
  /** RFC 3339. */
  readonly "lookup-time": string;
  readonly ttl: number;
  readonly "expiration-time": string;
  readonly ips: readonly string[];
  /** True: it was not asked for, but an alias (CNAME) on the way to an address. */
  readonly alias: boolean;
};

export type NameManagerView = {
  /** Of every `toFQDNs` in force. */
  readonly FQDNPolicySelectors: readonly {
    readonly selectorString: string;
    readonly regexString: string;
    /** Addresses that have an identity by it. */
    readonly ips: number;
  }[];
  readonly refused: readonly Refusal[];
  readonly shared: readonly SharedAddress[];
};

export type LookupFilter = {
  readonly matchPattern?: string | undefined;
  readonly cidr?: Prefix | undefined;
  readonly source?: LookupSource | undefined;
  readonly endpoint?: number | undefined;
};

export type FqdnViews = {
  lookups(filter: LookupFilter): readonly DnsLookupView[];
  names(): NameManagerView;
  /** Of a name, as people write it, whoever looked it up: newest first. */
  addressesOf(name: string): readonly Address[];
  /** Answers how many entries went. */
  clean(filter: LookupFilter): number;
};

type Viewed = {
  readonly book: Pick<NameBook, "selectorsOf" | "entries" | "refused" | "shared">;
  readonly engine: {
    readonly selectors: readonly string[];
    clean(isMeant: (entry: NameEntry) => boolean): number;
  };
};

/** What routes show of names, and forget. */
export function fqdnViews({ book, engine }: Viewed): FqdnViews {
  return {
    lookups: (filter) => lookupViews(book.entries(), filter),
    names: () => namesView(book, engine.selectors),
    addressesOf: (name) => addressesOfName(book.entries(), name),
    clean: (filter) => engine.clean(entryFilter(filter)),
  };
}

/** Most rows of one list in an answer. */
const mostRows = 1000;

function lookupViews(entries: Iterable<NameEntry>, filter: LookupFilter): DnsLookupView[] {
  const isMeant = entryFilter(filter);
  const groups = new Map<string, NameEntry[]>();
  for (const entry of entries) {
    if (!isMeant(entry)) continue;
    const { endpoint, name, lookedUpMs, ttlS, expiresMs } = entry;
    const key = [endpoint, name, sourceOf(entry), lookedUpMs, ttlS, expiresMs].join(" ");
    const group = groups.get(key) ?? [];
    groups.set(key, group);
    group.push(entry);
  }
  return [...groups.values()].map(viewOf).sort(byEndpointAndName);
}

/** Each once, those that were looked up last first. @param text with or without the root's dot, in any case */
function addressesOfName(entries: Iterable<NameEntry>, text: string): Address[] {
  const wanted = text.toLowerCase().replace(/\.$/, "");
  const own = [...entries].filter(({ name }) => name === wanted);
  const newestFirst = own.toSorted((a, b) => b.lookedUpMs - a.lookedUpMs);
  return [...new Set(newestFirst.map(({ address }) => address))].map((each) => Address.parse(each));
}

/** Whether an entry is one of those that a request means. */
function entryFilter(filter: LookupFilter): (entry: NameEntry) => boolean {
  const { matchPattern, cidr, source, endpoint } = filter;
  const matches = matchPattern === undefined ? undefined : compileDnsPattern({ matchPattern });
  return (entry) =>
    (endpoint === undefined || entry.endpoint === endpoint) &&
    (source === undefined || sourceOf(entry) === source) &&
    (matches === undefined || matches(entry.name)) &&
    (cidr === undefined || cidr.contains(Address.parse(entry.address)));
}

/** @param selectors keys of those that policies have */
function namesView(
  book: Pick<NameBook, "selectorsOf" | "entries" | "refused" | "shared">,
  selectors: readonly string[],
): NameManagerView {
  const counts = new Map<string, number>();
  for (const address of new Set(Array.from(book.entries(), (entry) => entry.address)))
    for (const key of book.selectorsOf(address)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return {
    FQDNPolicySelectors: selectors.map((key) => ({
      selectorString: selectorText(key),
      regexString: selectorRegex(key),
      ips: counts.get(key) ?? 0,
    })),
    refused: [...book.refused.values()].slice(0, mostRows),
    shared: [...book.shared.values()].slice(0, mostRows),
  };
}

function viewOf(group: readonly NameEntry[]): DnsLookupView {
  const [first] = group as [NameEntry];
  const source = sourceOf(first);
  return {
    fqdn: `${first.name}.`,
    "endpoint-id": first.endpoint,
    source,
    "lookup-time": new Date(first.lookedUpMs).toISOString(),
    ttl: source === "connection" ? 0 : first.ttlS,
    "expiration-time": new Date(first.expiresMs).toISOString(),
    ips: group
      .map(({ address }) => Address.parse(address))
      .sort((a, b) => a.compare(b))
      .map(String),
    alias: !first.asked,
  };
}

function sourceOf({ connected }: NameEntry): LookupSource {
  return connected ? "connection" : "lookup";
}

function selectorText(key: string): string {
  const [name, pattern] = key.includes("*") ? ["", key] : [key, ""];
  return `MatchName: ${name}, MatchPattern: ${pattern}`;
}

function byEndpointAndName(a: DnsLookupView, b: DnsLookupView): number {
  if (a["endpoint-id"] !== b["endpoint-id"]) return a["endpoint-id"] - b["endpoint-id"];
  if (a.fqdn !== b.fqdn) return a.fqdn < b.fqdn ? -1 : 1;
  return a["lookup-time"] < b["lookup-time"] ? -1 : 1;
}
