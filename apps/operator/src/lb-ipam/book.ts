// Who has which load-balancer address. Pools, reserved addresses and services go in as they change; `settle` makes all of
// it true again and tells whose outcome is another. No clock, no I/O.
//
//   settle:  take away --> take over what statuses have --> give
//            (youngest      (oldest service first)          (oldest first, lowest free address
//             first)                                         of the oldest pool)
//
// An address is one service's, or several services' that may share it; whatever pools say, it is never two's otherwise.
import { Address, type Family, type Prefix } from "@tsilium/net";
import { byAge } from "./age.ts";
import { conflictsOf } from "./conflicts.ts";
import { type Failure, failures } from "./failures.ts";
import type { Outcome, Pool, PoolState, Present, ServiceRequest } from "./model.ts";
import { holds, isGiving, type PoolSlot, RangeSlot, stateOf } from "./pool-slot.ts";
import { ReservedAddresses } from "./reserved.ts";
import { incompatibility } from "./sharing.ts";

type Entry = {
  request: ServiceRequest;
  /** In the order in which they were given. */
  held: readonly Address[];
  outcome: Outcome | undefined;
};

export class AddressBook {
  #slots: readonly PoolSlot[] = [];
  readonly #reserved = new ReservedAddresses();
  readonly #entries = new Map<string, Entry>();
  readonly #holders = {
    4: new Map<bigint, Set<string>>(),
    6: new Map<bigint, Set<string>>(),
  } satisfies Record<Family, Map<bigint, Set<string>>>;
  readonly #bySharingKey = new Map<string, Set<string>>();
  readonly #unsatisfied = new Set<string>();
  readonly #arrived = new Map<string, Present>();
  readonly #dirty = new Set<string>();
  #pools: readonly Pool[] = [];
  /** Pools or reserved prefixes are others: every service is looked at. */
  #poolsChanged = false;
  #slotsStale = false;
  /** What could not be given before may be now. */
  #freed = false;

  setPools(pools: readonly Pool[]): void {
    this.#pools = pools;
    this.#poolsChanged = this.#slotsStale = true;
  }

  /** Addresses that are an owner's ("node a"), in place of those before; none: it is gone. */
  reserve(owner: string, addresses: readonly Address[]): void {
    const { added, removed } = this.#reserved.setAddresses(owner, addresses);
    for (const address of added) {
      for (const slot of this.#ranges()) slot.reservedBy(address, 1n);
      for (const name of this.#holdersOf(address)) this.#dirty.add(name);
    }
    for (const address of removed) for (const slot of this.#ranges()) slot.reservedBy(address, -1n);
    if (removed.length > 0) this.#freed = true;
  }

  reservePrefixes(owner: string, prefixes: readonly Prefix[]): void {
    if (this.#reserved.setPrefixes(owner, prefixes)) this.#poolsChanged = this.#slotsStale = true;
  }

  /** @param present what its status has; of meaning only for a service that is new here */
  setService(request: ServiceRequest, present: Present): void {
    const entry = this.#entries.get(request.name);
    if (!entry) {
      this.#entries.set(request.name, { request, held: [], outcome: undefined });
      this.#arrived.set(request.name, present);
    } else {
      // Its ports, say, were in the way of others.
      if (entry.held.length > 0) this.#freed = true;
      this.#file(entry.request, "remove");
      entry.request = request;
    }
    this.#file(request, "add");
    this.#dirty.add(request.name);
  }

  removeService(name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    for (const address of entry.held) this.#leave(entry, address);
    this.#file(entry.request, "remove");
    for (const names of [this.#entries, this.#arrived, this.#dirty, this.#unsatisfied])
      names.delete(name);
  }

  /** Makes everything true again. Answers the services whose outcome is another than before. */
  settle(): string[] {
    this.#refreshSlots();
    const changed = this.#entriesOf(this.#poolsChanged ? this.#entries.keys() : this.#dirty);
    for (const entry of changed.toReversed()) this.#takeAway(entry);
    for (const entry of this.#entriesOf(this.#arrived.keys())) this.#takeOver(entry);
    const retried = this.#poolsChanged || this.#freed ? this.#unsatisfied : [];
    const names = new Set([...changed.map(({ request }) => request.name), ...retried]);
    const news = this.#entriesOf(names).filter((entry) => this.#decide(entry));
    for (const names of [this.#arrived, this.#dirty]) names.clear();
    this.#poolsChanged = this.#freed = false;
    return news.map(({ request }) => request.name);
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** As of the last `settle`; undefined for a service that is not known. */
  outcomeOf(name: string): Outcome | undefined {
    return this.#entries.get(name)?.outcome;
  }

  /** As of the last `settle`. */
  poolStates(): PoolState[] {
    return this.#slots.map(stateOf);
  }

  counts(): { readonly services: number; readonly unsatisfied: number } {
    return { services: this.#entries.size, unsatisfied: this.#unsatisfied.size };
  }

  /** Whether a pool that knows the service has this address; `giving`: one that gives something new. */
  isPooled(request: ServiceRequest, address: Address, { giving }: { giving: boolean }): boolean {
    this.#refreshSlots();
    return this.#slots.some(
      (slot) =>
        holds(slot, address) && slot.pool.selects(request.labels) && (!giving || isGiving(slot)),
    );
  }

  #refreshSlots(): void {
    if (!this.#slotsStale) return;
    this.#slotsStale = false;
    const conflicts = conflictsOf(this.#pools);
    const occupancy = { held: this.#holders, reserved: this.#reserved };
    this.#slots = this.#pools.toSorted(byAge).map((pool) => ({
      pool,
      ranges: pool.ranges.map((range) => new RangeSlot(range, occupancy)),
      conflict: conflicts.get(pool.name),
    }));
  }

  *#ranges(): Generator<RangeSlot> {
    for (const { ranges } of this.#slots) yield* ranges;
  }

  /** Oldest first. */
  #entriesOf(names: Iterable<string>): Entry[] {
    return [...names]
      .flatMap((name) => this.#entries.get(name) ?? [])
      .sort((a, b) => byAge(a.request, b.request));
  }

  #takeAway(entry: Entry): void {
    for (const address of entry.held)
      if (!this.#mayKeep(entry, address)) this.#leave(entry, address);
  }

  #mayKeep({ request }: Entry, address: Address): boolean {
    return (
      isWanted(request, address) &&
      this.#reserved.ownerOf(address) === undefined &&
      this.isPooled(request, address, { giving: false }) &&
      this.#whyNotShared(request, address) === undefined
    );
  }

  #takeOver(entry: Entry): void {
    const { request } = entry;
    const present = this.#arrived.get(request.name);
    for (const address of present?.addresses ?? []) {
      const isNew = !entry.held.some((held) => held.equals(address));
      const pooled = present?.given || this.#offers(request, address);
      if (isNew && pooled && this.#mayKeep(entry, address)) this.#join(entry, address);
    }
  }

  /** Whether a pool would give this very address to the service. */
  #offers(request: ServiceRequest, address: Address): boolean {
    return this.#slots.some(
      (slot) =>
        isGiving(slot) &&
        slot.pool.selects(request.labels) &&
        slot.ranges.some((range) => range.offers(address)),
    );
  }

  /** Gives what is missing, as far as there is. Answers whether the outcome is another. */
  #decide(entry: Entry): boolean {
    const { request, held } = entry;
    const found = request.unreadable.map(failures.notAnAddress);
    if (namesAddresses(request)) {
      for (const address of request.requested) found.push(...this.#giveNamed(entry, address));
    } else {
      const missing = (family: Family) => !held.some((address) => address.family === family);
      for (const family of request.families.filter(missing))
        found.push(...this.#giveAny(entry, family));
    }
    const [first] = found;
    if (first) this.#unsatisfied.add(request.name);
    else this.#unsatisfied.delete(request.name);
    const outcome: Outcome = {
      addresses: entry.held,
      reason: first?.reason ?? "satisfied",
      message: [...new Set(found.map(({ message }) => message))].join("; "),
    };
    const isNew = !entry.outcome || !sameOutcome(entry.outcome, outcome);
    entry.outcome = outcome;
    return isNew;
  }

  #giveNamed(entry: Entry, address: Address): Failure[] {
    const { request } = entry;
    if (entry.held.some((held) => held.equals(address))) return [];
    const failure = this.#whyNotNamed(request, address);
    if (failure) return [failure];
    this.#join(entry, address);
    return [];
  }

  #whyNotNamed(request: ServiceRequest, address: Address): Failure | undefined {
    if (!request.families.includes(address.family)) return failures.otherFamily(address);
    const around = this.#slots.filter((slot) => holds(slot, address));
    if (around.length === 0) return failures.noPoolAround(address);
    const giving = around.filter(isGiving);
    if (giving.length === 0) return failures.poolGivesNothing(address);
    if (!giving.some(({ pool }) => pool.selects(request.labels)))
      return failures.notSelected(address);
    const owner = this.#reserved.ownerOf(address);
    if (owner !== undefined) return failures.reserved(address, owner);
    if (!this.#offers(request, address)) return failures.endOfBlock(address);
    const why = this.#whyNotShared(request, address);
    if (why === undefined) return undefined;
    return request.sharingKey === ""
      ? failures.allocated(address)
      : failures.incompatible(address, why);
  }

  #giveAny(entry: Entry, family: Family): Failure[] {
    const address = this.#sharedAddress(entry, family) ?? this.#freeAddress(entry, family);
    if (address instanceof Address) {
      this.#join(entry, address);
      return [];
    }
    return [address];
  }

  /** The lowest address of services with the same key that this one may be on, too. */
  #sharedAddress({ request }: Entry, family: Family): Address | undefined {
    if (request.sharingKey === "") return undefined;
    const shared = new Map<bigint, Address>();
    for (const name of this.#bySharingKey.get(request.sharingKey) ?? [])
      for (const address of this.#entries.get(name)?.held ?? [])
        if (address.family === family) shared.set(address.toBigInt(), address);
    return [...shared.values()]
      .sort((a, b) => a.compare(b))
      .find(
        (address) =>
          this.#offers(request, address) && this.#whyNotShared(request, address) === undefined,
      );
  }

  #freeAddress({ request }: Entry, family: Family): Address | Failure {
    const occupancy = { held: this.#holders, reserved: this.#reserved };
    let isFull = false;
    for (const slot of this.#slots) {
      if (!isGiving(slot) || !slot.pool.selects(request.labels)) continue;
      for (const range of slot.ranges.filter((each) => each.range.family === family)) {
        const number = range.nextFree(occupancy);
        if (number !== undefined) return Address.fromBigInt(number, family);
        isFull = true;
      }
    }
    return isFull ? failures.outOfIps : failures.noMatchingPool;
  }

  /** Why the service may not be on an address with those who are; undefined when it may, or nobody is. */
  #whyNotShared(request: ServiceRequest, address: Address): string | undefined {
    for (const name of this.#holdersOf(address)) {
      const other = this.#entries.get(name);
      const why = other && name !== request.name && incompatibility(request, other.request);
      if (why) return why;
    }
    return undefined;
  }

  #holdersOf(address: Address): ReadonlySet<string> {
    return this.#holders[address.family].get(address.toBigInt()) ?? nobody;
  }

  #join(entry: Entry, address: Address): void {
    const holders = this.#holders[address.family];
    const names = holders.get(address.toBigInt());
    entry.held = [...entry.held, address];
    if (names) {
      names.add(entry.request.name);
      return;
    }
    holders.set(address.toBigInt(), new Set([entry.request.name]));
    for (const slot of this.#ranges()) slot.heldBy(address, 1n);
  }

  #leave(entry: Entry, address: Address): void {
    const holders = this.#holders[address.family];
    const names = holders.get(address.toBigInt());
    entry.held = entry.held.filter((held) => !held.equals(address));
    names?.delete(entry.request.name);
    this.#freed = true;
    if (names && names.size > 0) return;
    holders.delete(address.toBigInt());
    for (const slot of this.#ranges()) slot.heldBy(address, -1n);
  }

  #file({ sharingKey, name }: ServiceRequest, how: "add" | "remove"): void {
    if (sharingKey === "") return;
    const names = this.#bySharingKey.get(sharingKey) ?? new Set();
    if (how === "add") names.add(name);
    else names.delete(name);
    if (names.size > 0) this.#bySharingKey.set(sharingKey, names);
    else this.#bySharingKey.delete(sharingKey);
  }
}

const nobody: ReadonlySet<string> = new Set();

function namesAddresses({ requested, unreadable }: ServiceRequest): boolean {
  return requested.length + unreadable.length > 0;
}

/** While it names something that is no address, nobody knows what it means to give up. */
function isWanted({ requested, unreadable, families }: ServiceRequest, address: Address): boolean {
  if (!families.includes(address.family)) return false;
  return (
    requested.length === 0 ||
    unreadable.length > 0 ||
    requested.some((wanted) => wanted.equals(address))
  );
}

function sameOutcome(a: Outcome, b: Outcome): boolean {
  return (
    a.reason === b.reason &&
    a.message === b.message &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, at) => b.addresses[at]?.equals(address) === true)
  );
}
