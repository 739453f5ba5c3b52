// Gives addresses the identities that their names make, and says when the kernel has them.
//
//   selectors of an address --> identity --> known to every policy? --> claim --> in the kernel? --> waiters wake
//
// An address gets an identity that policies were compiled for already: its packets would be judged as a stranger's
// between the two writes. As long as policy waits for the API server nothing is written at all, and claims go at once.
import type { AddressChange } from "@tsilium/fqdn/model.ts";
import { fqdnLabels } from "@tsilium/fqdn";
import type { LocalIdentities } from "@tsilium/identity";
import type { Ipcache } from "@tsilium/ipcache";
import { type Family, Prefix } from "@tsilium/net";

export type PlacerOptions = {
  readonly identities: Pick<LocalIdentities, "acquire" | "release">;
  readonly ipcache: Pick<Ipcache, "claim" | "withdraw">;
  readonly policy: PlacedPolicy;
  /** Those that pods have. */
  readonly families: readonly Family[];
};

/** The policy worker, as far as it is needed here. */
export type PlacedPolicy = {
  /** It has heard everything and writes. */
  readonly isInStep: boolean;
  /** Resolves when every address and identity said until now is in the kernel. @throws the signal's reason */
  placed(signal: AbortSignal): Promise<void>;
};

/** An identity, and who uses it. */
type Named = {
  readonly id: number;
  users: number;
  /** Kept without users: the next address of the name costs a row alone. */
  pinned: boolean;
  /** Policies were compiled for it. */
  ready: boolean;
  idleSinceMs: number | undefined;
};

type Place = {
  readonly prefix: Prefix;
  readonly named: Named;
  readonly owner: string;
};

type Waiter = { readonly addresses: Set<string>; readonly wake: () => void };

export class Placer implements Disposable {
  readonly #options: PlacerOptions;
  readonly #named = new Map<string, Named>();
  /** Where addresses belong, by their text. */
  readonly #places = new Map<string, Place>();
  /** Owners of claims that were made. */
  readonly #claimed = new Map<string, string>();
  /** Addresses that are not known to be in the kernel as they should; each change is another object. */
  readonly #unplaced = new Map<string, object>();
  readonly #fresh = new Set<Named>();
  readonly #waiters = new Set<Waiter>();
  readonly #settling = new Set<() => void>();
  readonly #stop = new AbortController();
  #isRunning = false;

  constructor(options: PlacerOptions) {
    this.#options = options;
  }

  /** Identities that names have made. */
  get identityCount(): number {
    return this.#named.size;
  }

  /** Addresses that have one. */
  get addressCount(): number {
    return this.#places.size;
  }

  /** Has identities ready for addresses of single selectors, and those of selectors that are gone go with their users. */
  pin(selectors: readonly string[], nowMs: number): void {
    const wanted = new Set<Named>();
    for (const family of this.#options.families)
      for (const key of selectors) wanted.add(this.#acquire([key], family));
    for (const named of this.#named.values()) {
      named.pinned = wanted.has(named);
      this.#note(named, nowMs);
    }
    this.#go();
  }

  /** Puts addresses where they belong. */
  apply(changes: readonly AddressChange[], nowMs: number): void {
    for (const change of changes) this.#applyOne(change, nowMs);
    this.#go();
  }

  /** Resolves when the kernel has these addresses as they should be, or after `patienceMs`: false. */
  whenPlaced(addresses: Iterable<string>, patienceMs: number): Promise<boolean> | true {
    const waiting = new Set([...addresses].filter((address) => this.#unplaced.has(address)));
    if (waiting.size === 0) return true;
    return new Promise((resolve) => {
      const finish = (isPlaced: boolean) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(isPlaced);
      };
      const waiter = { addresses: waiting, wake: () => finish(true) };
      const timer = setTimeout(() => finish(false), patienceMs);
      this.#waiters.add(waiter);
    });
  }

  /** Resolves when the kernel has every address as it should be, and identities are known to policies. */
  async settled(signal: AbortSignal): Promise<void> {
    while (!this.isDone) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const abort = () => reject(signal.reason as Error);
      signal.throwIfAborted();
      signal.addEventListener("abort", abort, { once: true });
      this.#settling.add(resolve);
      await promise.finally(() => {
        signal.removeEventListener("abort", abort);
        this.#settling.delete(resolve);
      });
    }
  }

  get isDone(): boolean {
    return this.#unplaced.size === 0 && this.#fresh.size === 0;
  }

  /** What `settled` would wait for. */
  lag(): string | undefined {
    if (this.isDone) return undefined;
    return `${this.#unplaced.size} addresses and ${this.#fresh.size} identities are not in the kernel yet`;
  }

  /** Lets go of identities that nobody has used for so long: by then no row in the kernel has them. */
  sweep(nowMs: number, idleMs: number): void {
    for (const [key, named] of this.#named) {
      if (named.idleSinceMs === undefined || nowMs - named.idleSinceMs < idleMs) continue;
      this.#named.delete(key);
      this.#fresh.delete(named);
      this.#options.identities.release(named.id);
    }
  }

  /** Ends waiting; claims and identities stay as they are. */
  [Symbol.dispose](): void {
    this.#stop.abort(new Error("the agent stops"));
    for (const waiter of this.#waiters) waiter.wake();
  }

  #applyOne({ address, selectors, name }: AddressChange, nowMs: number): void {
    const text = address.toString();
    const before = this.#places.get(text);
    const isServed = this.#options.families.includes(address.family);
    if (selectors === undefined || !isServed) {
      this.#places.delete(text);
      this.#withdraw(text);
      this.#unplaced.delete(text);
    } else {
      const named = this.#acquire(selectors, address.family);
      named.users++;
      this.#note(named, nowMs);
      const place = { prefix: Prefix.host(address), named, owner: `fqdn/${name}` };
      this.#places.set(text, place);
      this.#unplaced.set(text, {});
      if (named.ready) this.#claim(text, place);
    }
    if (!before) return;
    before.named.users--;
    this.#note(before.named, nowMs);
  }

  #acquire(selectors: readonly string[], family: Family): Named {
    const { families, identities, policy } = this.#options;
    const labels = fqdnLabels(selectors, family, families.length === 2);
    const known = this.#named.get(labels.key);
    if (known) return known;
    const id = identities.acquire("external", labels);
    const named: Named = { id, users: 0, pinned: false, ready: !policy.isInStep, idleSinceMs: 0 };
    this.#named.set(labels.key, named);
    this.#fresh.add(named);
    return named;
  }

  #note(named: Named, nowMs: number): void {
    if (named.users > 0 || named.pinned) named.idleSinceMs = undefined;
    else named.idleSinceMs ??= nowMs;
  }

  #claim(text: string, { prefix, named, owner }: Place): void {
    const before = this.#claimed.get(text);
    const { ipcache } = this.#options;
    ipcache.claim({ prefix, source: "fqdn", owner, identity: named.id, hostIp: undefined });
    this.#claimed.set(text, owner);
    if (before !== undefined && before !== owner) ipcache.withdraw(prefix, "fqdn", before);
  }

  #withdraw(text: string): void {
    const owner = this.#claimed.get(text);
    if (owner === undefined || !this.#claimed.delete(text)) return;
    this.#options.ipcache.withdraw(Prefix.parse(hostPrefix(text)), "fqdn", owner);
  }

  #go(): void {
    if (this.#isRunning || this.#stop.signal.aborted) return;
    if (this.isDone) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** Follows what was said into the kernel until nothing is left to follow. */
  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!this.isDone) {
      const unplaced = [...this.#unplaced].filter(([text]) => this.#claimed.has(text));
      const fresh = [...this.#fresh];
      try {
        await this.#options.policy.placed(signal);
      } catch (error) {
        this.#isRunning = false;
        if (signal.aborted) return;
        throw error;
      }
      this.#ready(fresh);
      for (const [text, change] of unplaced)
        if (this.#isAt(text) && this.#unplaced.get(text) === change) this.#unplaced.delete(text);
      this.#wake();
    }
    this.#isRunning = false;
  }

  /** The claim says what the place says. */
  #isAt(text: string): boolean {
    return this.#places.get(text)?.named.ready === true;
  }

  #ready(fresh: readonly Named[]): void {
    for (const named of fresh) {
      this.#fresh.delete(named);
      if (named.ready) continue;
      named.ready = true;
      for (const [text, place] of this.#places) {
        if (place.named !== named) continue;
        this.#unplaced.set(text, {});
        this.#claim(text, place);
      }
    }
  }

  #wake(): void {
    for (const resolve of this.#settling) resolve();
    for (const waiter of this.#waiters) {
      for (const address of waiter.addresses)
        if (!this.#unplaced.has(address)) waiter.addresses.delete(address);
      if (waiter.addresses.size === 0) waiter.wake();
    }
  }
}

function hostPrefix(text: string): string {
  return `${text}/${text.includes(":") ? 128 : 32}`;
}
