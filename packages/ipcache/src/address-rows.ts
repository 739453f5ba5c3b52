// The address table as policy needs it in the kernel: a row for every prefix that somebody has and for every prefix
// that a policy names, each with the set of policy prefixes that cover it. A longest-prefix lookup then finds all
// there is to know of an address.
//
//   winners of the ipcache --\
//                             >--- trie of prefixes --- commit() --> rows and cidr sets that differ
//   prefixes of policies ----/
import { type Address, type Family, Prefix, PrefixTrie } from "@tsilium/net";
import { type CidrSet, CidrSets } from "./cidr-sets.ts";
import { ownerHash, worldOwner } from "./owner.ts";

/** The ipcache's winner for a prefix. */
export type AddressWinner = {
  readonly prefix: Prefix;
  readonly identity: number;
  readonly hostIp: Address | undefined;
  /** `ownerOf` its claim. */
  readonly owner: string;
};

export type AddressRow = {
  readonly prefix: Prefix;
  readonly identity: number;
  /** Undefined: local, the world's, or not tunnelled. */
  readonly tunnelEndpoint: Address | undefined;
  /** `ownerHash` of the winner's. */
  readonly owner: number;
  /** Number of the set of policy prefixes that cover it; 0: none does. */
  readonly cidrSet: number;
};

/** In order of use: sets come up before rows have them, and go when no row has them any more. */
export type AddressChanges = {
  readonly addedSets: readonly CidrSet[];
  readonly rows: readonly AddressRow[];
  readonly removedRows: readonly Prefix[];
  readonly removedSets: readonly number[];
};

export type AddressRowsOptions = {
  /** Identity of addresses that nobody has. */
  readonly world: Readonly<Record<Family, number>>;
  /** Without a tunnel the kernel's routes decide where an address lives. */
  readonly tunnel: boolean;
  /** First number for a cidr set; an earlier agent's rows may still have lower ones. Default 1. */
  readonly firstSet?: number;
};

/** Whose an address is, as a row says it. */
type Holder = Omit<AddressRow, "prefix" | "cidrSet">;

/** A prefix with a row. */
type Entry = {
  readonly prefix: Prefix;
  /** Its own winner's; undefined: that of what covers it. */
  holder: Holder | undefined;
  /** A policy names it. */
  named: boolean;
  /** As last committed. */
  row: AddressRow | undefined;
};

/** What a prefix inherits from those around it. */
type Surroundings = { readonly holder: Holder; readonly cidrSet: number };

/** IPv4 addresses are looked up in IPv6's space (::ffff:0:0/96), where these must stop them from meeting IPv6's. */
const always = ["0.0.0.0/0", "::/0"].map((text) => Prefix.parse(text));
const mappedIpv4 = Prefix.parse("::ffff:0:0/96");

export class AddressRows {
  readonly #options: AddressRowsOptions;
  readonly #entries = new PrefixTrie<Entry>();
  readonly #sets: CidrSets;
  #named: ReadonlyMap<string, Prefix> = new Map();
  /** Everything inside these may have changed. Some may be in it more than once. */
  #dirty: Prefix[] = [];
  /** Entries that left the trie since the last commit. */
  readonly #gone = new Map<string, Entry>();

  constructor(options: AddressRowsOptions) {
    this.#options = options;
    this.#sets = new CidrSets(options.firstSet ?? 1);
    for (const prefix of always) this.#change(prefix, {});
  }

  setWinner(winner: AddressWinner): void {
    const { prefix, identity, hostIp, owner } = winner;
    const tunnelEndpoint = this.#options.tunnel ? hostIp : undefined;
    this.#change(prefix, { holder: { identity, tunnelEndpoint, owner: ownerHash(owner) } });
  }

  deleteWinner(prefix: Prefix): void {
    this.#change(prefix, { holder: undefined });
  }

  /** All prefixes that policies name, by their text, in place of those said before. */
  setPrefixes(prefixes: ReadonlyMap<string, Prefix>): void {
    const before = this.#named;
    this.#named = new Map(prefixes);
    for (const [text, prefix] of before)
      if (!prefixes.has(text)) this.#change(prefix, { named: false });
    for (const [text, prefix] of prefixes)
      if (!before.has(text)) this.#change(prefix, { named: true });
  }

  /** What became different since the last commit. Costs by what was touched. */
  commit(): AddressChanges {
    const rows: AddressRow[] = [];
    for (const prefix of this.#takeDirty()) this.#refresh(prefix, rows);
    const removedRows: Prefix[] = [];
    for (const { prefix, row } of this.#gone.values()) {
      if (!row) continue;
      this.#sets.release(row.cidrSet);
      removedRows.push(prefix);
    }
    this.#gone.clear();
    const { added: addedSets, removed: removedSets } = this.#sets.settle();
    return { addedSets, rows, removedRows, removedSets };
  }

  /** Every row, as of the last commit. */
  *rows(): Generator<AddressRow, void> {
    for (const prefix of always)
      for (const { row } of this.#entries.within(prefix)) if (row) yield row;
  }

  /** The row that an address falls to, as of the last commit. */
  rowOf(address: Address): AddressRow | undefined {
    return this.#entries.covering(Prefix.host(address)).findLast(({ row }) => row)?.row;
  }

  /** The row of this very prefix, as of the last commit. */
  rowAt(prefix: Prefix): AddressRow | undefined {
    return this.#entries.get(prefix)?.row;
  }

  /** A set that some row has, as of the last commit. */
  cidrSet(id: number): CidrSet | undefined {
    return this.#sets.get(id);
  }

  #change(prefix: Prefix, change: Partial<Pick<Entry, "holder" | "named">>): void {
    // The kernel could not tell such a row from an IPv4 one, and no packet has such an address.
    if (mappedIpv4.contains(prefix)) return;
    const known = this.#entries.get(prefix);
    const entry = known ?? this.#takeGone(prefix) ?? newEntry(prefix);
    if ("holder" in change) entry.holder = change.holder;
    if (change.named !== undefined) entry.named = change.named;
    const isThere = entry.holder !== undefined || entry.named || prefix.length === 0;
    if (isThere && !known) this.#entries.set(prefix, entry);
    if (!isThere) {
      this.#entries.delete(prefix);
      this.#gone.set(prefix.toString(), entry);
    }
    this.#dirty.push(prefix);
  }

  #takeGone(prefix: Prefix): Entry | undefined {
    if (this.#gone.size === 0) return undefined;
    const text = prefix.toString();
    const entry = this.#gone.get(text);
    this.#gone.delete(text);
    return entry;
  }

  /** What was touched, without what lies inside something else that was. */
  #takeDirty(): Prefix[] {
    const sorted = this.#dirty.sort((a, b) => a.compare(b));
    this.#dirty = [];
    let widest: Prefix | undefined;
    return sorted.filter((prefix) => {
      if (widest?.contains(prefix)) return false;
      widest = prefix;
      return true;
    });
  }

  /** Computes the rows of a prefix and of all inside it, and adds those that differ. */
  #refresh(top: Prefix, changed: AddressRow[]): void {
    const around: { readonly prefix: Prefix; readonly gives: Surroundings }[] = [];
    const visit = (entry: Entry) => {
      // Prefixes come wider before narrower: what does not cover this one covers nothing that follows.
      while (around.at(-1)?.prefix.contains(entry.prefix) === false) around.pop();
      const gives = this.#inside(entry, around.at(-1)?.gives);
      around.push({ prefix: entry.prefix, gives });
      return gives;
    };
    for (const entry of this.#entries.covering(top))
      if (entry.prefix.length < top.length) visit(entry);
    for (const entry of this.#entries.within(top)) this.#store(entry, visit(entry), changed);
  }

  #inside({ prefix, holder, named }: Entry, around: Surroundings | undefined): Surroundings {
    const cidrSet = around?.cidrSet ?? CidrSets.none;
    return {
      holder: holder ?? around?.holder ?? this.#nobody(prefix.family),
      cidrSet: named ? this.#sets.extend(cidrSet, prefix) : cidrSet,
    };
  }

  #nobody(family: Family): Holder {
    return {
      identity: this.#options.world[family],
      tunnelEndpoint: undefined,
      owner: ownerHash(worldOwner),
    };
  }

  #store(entry: Entry, { holder, cidrSet }: Surroundings, changed: AddressRow[]): void {
    const { prefix, row: before } = entry;
    if (before?.cidrSet === cidrSet && isHeldBy(before, holder)) return;
    this.#sets.acquire(cidrSet);
    if (before) this.#sets.release(before.cidrSet);
    entry.row = { prefix, ...holder, cidrSet };
    changed.push(entry.row);
  }
}

function newEntry(prefix: Prefix): Entry {
  return { prefix, holder: undefined, named: false, row: undefined };
}

/** Whether two rows of one prefix say the same. */
export function isSameRow(a: AddressRow, b: AddressRow): boolean {
  return a.cidrSet === b.cidrSet && isHeldBy(a, b);
}

function isHeldBy(row: AddressRow, { identity, owner, tunnelEndpoint }: Holder): boolean {
  return (
    row.identity === identity &&
    row.owner === owner &&
    isSameAddress(row.tunnelEndpoint, tunnelEndpoint)
  );
}

/** Whether both are the same address, or none. */
function isSameAddress(a: Address | undefined, b: Address | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && a.equals(b));
}
