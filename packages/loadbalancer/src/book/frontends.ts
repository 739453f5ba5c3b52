// Frontends of all services: one row per address, port and protocol, for whoever goes first among those who ask for it.
import type { Delta, FrontendEntry, FrontendKind } from "@tsilium/datapath/model.ts";
import { Address } from "@tsilium/net";
import {
  type DecidedService,
  type DecidedSet,
  endpointText,
  type FrontendConflict,
  type FrontendType,
} from "../model.ts";
import type { Addresses } from "./addresses.ts";
import { Ids, type IdRange } from "./ids.ts";
import { type Candidate, compareCandidates } from "./precedence.ts";
import { Pending, type RowState } from "./row.ts";
import type { SetRow, Sets } from "./sets.ts";

export type FrontendRow = RowState<FrontendEntry> & {
  readonly id: number;
  readonly key: string;
  /** Who goes first comes first. */
  candidates: readonly Candidate[];
  /** The first of them that nothing bars from the address. */
  holder: Candidate | undefined;
  /** The holder's; undefined of address-only frontends. */
  external: SetRow | undefined;
  internal: SetRow | undefined;
  /** The address, if a candidate can be barred from it. */
  judgedAt: string | undefined;
};

const kinds: Readonly<Record<FrontendType, FrontendKind>> = {
  ClusterIP: "cluster-ip",
  NodePort: "node-port",
  LoadBalancer: "external",
  ExternalIPs: "external",
  HostPort: "host-port",
  LocalRedirect: "cluster-ip",
};

const anyIpv6 = Address.fromBigInt(0n, 6);

export type FrontendsOptions = {
  readonly range: IdRange;
  readonly sets: Sets;
  readonly addresses: Addresses;
  /** The row's holder, or what it wants, may be another. */
  readonly onHeld: (row: FrontendRow) => void;
};

export class Frontends {
  readonly #rows = new Map<string, FrontendRow>();
  /** By address: rows whose candidates can be barred from it. */
  readonly #judged = new Map<string, Set<FrontendRow>>();
  /** Held, but there was no number left for a set. */
  readonly #starved = new Set<FrontendRow>();
  readonly #contested = new Set<FrontendRow>();
  readonly #ids: Ids;
  readonly #options: FrontendsOptions;
  readonly #pending = new Pending<FrontendRow, FrontendEntry>({
    onRemoved: (row) => this.#forget(row),
  });

  constructor(options: FrontendsOptions) {
    this.#ids = new Ids(options.range);
    this.#options = options;
  }

  get size(): number {
    return this.#rows.size;
  }

  find(key: string): FrontendRow | undefined {
    return this.#rows.get(key);
  }

  rows(): Iterable<FrontendRow> {
    return this.#rows.values();
  }

  /** Takes over what the kernel has. */
  adopt(entries: readonly FrontendEntry[]): void {
    for (const entry of entries) {
      const key = endpointText(entry.address ?? anyIpv6, entry.port, entry.protocol);
      const isFree = this.#ids.take(entry.id);
      const row = this.#add(key, isFree ? entry.id : this.#ids.allocate());
      if (!row) continue;
      row.written = entry;
      row.unsure = !isFree;
      this.#pending.touch(row);
    }
  }

  /** Another version of a service. `readdressed`: addresses that got, or lost, a holder with it. */
  replace(
    before: DecidedService | undefined,
    after: DecidedService | undefined,
    readdressed: readonly string[],
  ): void {
    const touched = new Set<FrontendRow>();
    const kept = new Set(after?.frontends.map(({ key }) => key));
    for (const { key } of before?.frontends ?? []) {
      const row = kept.has(key) ? undefined : this.#rows.get(key);
      if (!row) continue;
      row.candidates = row.candidates.filter(({ service }) => service.key !== before?.key);
      touched.add(row);
    }
    for (const frontend of after?.frontends ?? []) {
      const row = this.#rows.get(frontend.key) ?? this.#add(frontend.key, this.#ids.allocate());
      if (!row || !after) continue;
      row.candidates = withCandidate(row.candidates, { service: after, frontend });
      touched.add(row);
    }
    for (const address of readdressed)
      for (const row of this.#judged.get(address) ?? []) touched.add(row);
    for (const row of touched) this.#resolve(row);
  }

  /** Before `changes`: sets that frontends point at get numbers, those that they have in the kernel if they can. */
  numberSets(): void {
    const { sets } = this.#options;
    for (const row of this.#starved) this.#pending.touch(row);
    for (const { written, external, internal } of this.#pending.rows()) {
      if (!written) continue;
      if (external) sets.claim(external, written.externalSet);
      if (internal) sets.claim(internal, written.internalSet);
    }
    sets.number();
  }

  changes(): Delta<FrontendEntry> {
    this.#starved.clear();
    const { put, remove } = this.#pending.take({ want: (row) => this.#want(row), same: isSame });
    return { put: put.map(({ entry }) => entry), remove };
  }

  applied(): void {
    this.#pending.applied();
  }

  failed(): void {
    this.#pending.failed();
  }

  /** Who does not have what they ask for. Two services may share an address: that is none. */
  *conflicts(): Iterable<FrontendConflict> {
    for (const row of new Set([...this.#contested, ...this.#starved]))
      for (const candidate of row.candidates) {
        const conflict = this.conflictOf(row, candidate);
        if (conflict) yield conflict;
      }
  }

  conflictOf(row: FrontendRow, candidate: Candidate): FrontendConflict | undefined {
    const { service, frontend } = candidate;
    if (frontend.addressOnly) return undefined;
    const told = (holder: string, reason: string) => ({
      service: service.key,
      frontend,
      holder,
      reason,
    });
    if (row.holder === candidate)
      return this.#starved.has(row) ? told("", "all backend sets are in use") : undefined;
    const bar = this.#options.addresses.barTo(candidate);
    if (bar) return told(bar.holder, bar.reason);
    const holder = row.holder?.service.key ?? "";
    return told(holder, `${row.key} is a frontend of ${holder}`);
  }

  #add(key: string, id: number | undefined): FrontendRow | undefined {
    if (id === undefined) return undefined;
    const row: FrontendRow = {
      id,
      key,
      candidates: [],
      holder: undefined,
      external: undefined,
      internal: undefined,
      judgedAt: undefined,
      written: undefined,
      unsure: false,
    };
    this.#rows.set(key, row);
    return row;
  }

  #resolve(row: FrontendRow): void {
    const { addresses } = this.#options;
    const holder = row.candidates.find((candidate) => !addresses.barTo(candidate));
    this.#judge(row);
    this.#point(row, holder);
    const isContested = row.candidates.length > (holder ? 1 : 0);
    if (isContested) this.#contested.add(row);
    else this.#contested.delete(row);
    this.#pending.touch(row);
    this.#options.onHeld(row);
  }

  /** New sets first, so that one that stays is not given back in between. */
  #point(row: FrontendRow, holder: Candidate | undefined): void {
    const { external, internal } = row;
    const { sets } = this.#options;
    const acquire = (decided: DecidedSet | undefined) =>
      decided && holder && sets.acquire(`${holder.service.key} ${decided.key}`, decided);
    row.holder = holder;
    row.external = acquire(holder?.frontend.external);
    row.internal = acquire(holder?.frontend.internal);
    if (external) sets.release(external);
    if (internal) sets.release(internal);
  }

  #want(row: FrontendRow): FrontendEntry | undefined {
    const { holder, external, internal } = row;
    if (!holder) return undefined;
    const isStarved = !holder.frontend.addressOnly && !(external?.id && internal?.id);
    if (!isStarved) return wantedOf(row, holder);
    this.#starved.add(row);
    return undefined;
  }

  /** Keeps the row where it is found when its address gets another holder. */
  #judge(row: FrontendRow): void {
    const judged = row.candidates.find(({ frontend }) => canBeBarred(frontend.type));
    const address = judged && `${judged.frontend.address}`;
    if (address === row.judgedAt) return;
    const before = row.judgedAt === undefined ? undefined : this.#judged.get(row.judgedAt);
    before?.delete(row);
    if (before?.size === 0) this.#judged.delete(row.judgedAt ?? "");
    row.judgedAt = address;
    if (address === undefined) return;
    const rows = this.#judged.get(address);
    if (rows) rows.add(row);
    else this.#judged.set(address, new Set([row]));
  }

  #forget(row: FrontendRow): void {
    if (row.candidates.length > 0 || this.#rows.get(row.key) !== row) return;
    this.#rows.delete(row.key);
    this.#contested.delete(row);
    this.#starved.delete(row);
    this.#ids.free(row.id);
  }
}

function canBeBarred(type: FrontendType): boolean {
  return type === "LoadBalancer" || type === "ExternalIPs" || type === "LocalRedirect";
}

function withCandidate(
  candidates: readonly Candidate[],
  candidate: Candidate,
): readonly Candidate[] {
  const others = candidates.filter(({ service }) => service.key !== candidate.service.key);
  return others.length === 0 ? [candidate] : [...others, candidate].sort(compareCandidates);
}

function wantedOf({ id, external, internal }: FrontendRow, { frontend }: Candidate): FrontendEntry {
  return {
    address: frontend.address,
    port: frontend.port,
    protocol: frontend.protocol,
    id,
    kind: frontend.addressOnly ? "address-only" : kinds[frontend.type],
    externalSet: external?.id ?? 0,
    internalSet: internal?.id ?? 0,
    localRedirect: frontend.localRedirect,
    dsr: frontend.dsr,
    hasSourceRanges: frontend.sourceRanges !== undefined,
    hasExceptions: frontend.exceptions.length > 0,
  };
}

function isSame(a: FrontendEntry, b: FrontendEntry): boolean {
  return (
    a.id === b.id &&
    a.kind === b.kind &&
    a.externalSet === b.externalSet &&
    a.internalSet === b.internalSet &&
    a.localRedirect === b.localRedirect &&
    a.dsr === b.dsr &&
    a.hasSourceRanges === b.hasSourceRanges &&
    a.hasExceptions === b.hasExceptions
  );
}
