// Names at work: answers and selectors in, identities of addresses out, everything written down on the way.
//
//   DNS proxy --answers--> book --changes--> placer --> ipcache --> policy worker --> kernel
//        ^                  |  \--news--> file                                          |
//        '------release-----|-------------------- answers wait --------------------------'
//   policy worker --selectors--'
//
// It has a clock but no timer of its own; start.ts calls `collect`.
import { addressKey, type NameBook, selectorKey, selectorOf } from "@tsilium/fqdn";
import type { FqdnSelector, NameEntry } from "@tsilium/fqdn/model.ts";
import { Address, normalizeDnsName, type Prefix } from "@tsilium/net";
import type { ResolvedName } from "@tsilium/proxy/model.ts";
import type { Logger } from "@tsilium/runtime";
import type { Clients } from "./clients.ts";
import { type FqdnCounters, fqdnCounters } from "./counters.ts";
import type { FqdnStatus } from "./health.ts";
import type { NameFile, NameRecord } from "./name-file.ts";
import { Notices } from "./notices.ts";
import type { Placer } from "./placer.ts";

export type FqdnEngineOptions = {
  readonly book: NameBook;
  readonly placer: Placer;
  readonly clients: Pick<Clients, "endpointOf">;
  /** undefined: nothing is written down. */
  readonly file: NameFile | undefined;
  /** Addresses of `wanted` that connections lead to. */
  readonly connected: (wanted: ReadonlySet<string>) => Promise<ReadonlySet<string>>;
  /** tofqdns-proxy-response-max-delay */
  readonly patienceMs: number;
  /** UNIX milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
};

/** Addresses of one answer; a DNS message holds no more. */
const mostAddresses = 4096;
const longestName = 1024;

export class FqdnEngine implements Disposable {
  readonly #options: FqdnEngineOptions;
  readonly #counters: FqdnCounters = fqdnCounters();
  readonly #notices: Notices;
  #fileProblem: string | undefined;
  #lookProblem: string | undefined;
  #scheduled: NodeJS.Immediate | undefined;
  /** Keys of selectors that policies have. */
  #selectors: ReadonlySet<string> = new Set();
  /** Those that they had, and since when not. */
  readonly #past = new Map<string, number>();
  #recheckAll = false;
  #isCollecting = false;
  #isStopped = false;

  constructor(options: FqdnEngineOptions) {
    this.#options = options;
    this.#notices = new Notices(options.log, this.#counters);
  }

  /** Takes up what an earlier agent wrote down. To be called first. */
  restore(
    records: readonly NameRecord[],
    keep: (entry: Omit<NameEntry, "connected">) => boolean = () => true,
  ): void {
    const { book, placer, now } = this.#options;
    let selectors: readonly FqdnSelector[] = [];
    for (const record of records) {
      if (record.kind === "selectors") selectors = record.selectors;
      else if (record.kind === "removed") for (const entry of record.entries) book.forget(entry);
      else for (const entry of record.entries.filter(keep)) book.restore(entry, now());
    }
    book.takeRemoved();
    this.#selectors = new Set(selectors.map(selectorKey));
    book.setSelectors(selectors);
    placer.pin(book.selectors, now());
    this.#apply();
  }

  /** Keys of selectors that policies have, sorted. */
  get selectors(): readonly string[] {
    return [...this.#selectors].sort();
  }

  /**
   * Every selector of every policy in force, in place of those before. Addresses that are known have theirs at once.
   * Selectors that are gone stay what addresses are known by until the next round but one: to no policy it makes a
   * difference, and those of a pod that is replaced, or whose policy is, come back.
   */
  setSelectors(selectors: readonly FqdnSelector[]): void {
    const nowMs = this.#options.now();
    const keys = new Set(selectors.map(selectorKey));
    for (const key of this.#selectors.difference(keys)) this.#past.set(key, nowMs);
    for (const key of keys) this.#past.delete(key);
    this.#selectors = keys;
    this.#matchSelectors();
  }

  #matchSelectors(): void {
    const { book, placer, now } = this.#options;
    const keys = [...this.#selectors, ...this.#past.keys()];
    if (!book.setSelectors(keys.map(selectorOf))) return;
    this.#write((file) => file.addSelectors(book.selectors));
    placer.pin(book.selectors, now());
    this.#apply();
  }

  /**
   * Takes answers in.
   * @param release called with numbers of answers that may go to their pods: their addresses are in the kernel, or have
   * nothing to do there, or it took too long
   */
  resolved(answers: readonly ResolvedName[], release: (ids: readonly number[]) => void): void {
    const { book, placer, patienceMs, now } = this.#options;
    const nowMs = now();
    const news: NameEntry[] = [];
    const waiting: { readonly id: number; readonly addresses: readonly string[] }[] = [];
    for (const answer of answers) {
      const lookup = this.#lookupOf(answer);
      news.push(...book.observe(lookup, nowMs));
      const addresses = lookup.addresses.map(({ address }) => addressKey(address));
      if (answer.id !== 0) waiting.push({ id: answer.id, addresses });
    }
    this.#counters.lookups += answers.length;
    this.#write((file) => file.addEntries(news));
    this.#apply();
    const ready: number[] = [];
    for (const { id, addresses } of waiting) {
      const placed = placer.whenPlaced(addresses, patienceMs);
      if (placed === true) ready.push(id);
      else
        void placed.then((inTime) => {
          if (!inTime) this.#counters.late++;
          release([id]);
        });
    }
    if (ready.length > 0) release(ready);
  }

  /** Told that somebody of the cluster came to have addresses in a prefix, or gave them up. */
  recheck(prefix: Prefix): void {
    if (prefix.isHost) this.#options.book.recheck(prefix);
    else this.#recheckAll = true;
    this.#scheduled ??= setImmediate(() => this.#apply());
  }

  /**
   * A round: what is over goes, unless somebody is connected.
   * @param graceMs how long nobody must have been
   */
  async collect(graceMs: number): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    const { book, placer, now, log } = this.#options;
    const nowMs = now();
    const connected = await this.#look(book.expired(nowMs));
    this.#isCollecting = false;
    if (this.#isStopped) return;
    if (connected) {
      const { names, givenUp } = book.collect(nowMs, connected, graceMs);
      this.#counters.deletions += names;
      this.#counters.givenUp += givenUp;
      if (givenUp > 0)
        log.error(
          { addresses: givenUp },
          "addresses with connections were given up: more than tofqdns-max-deferred-connection-deletes",
        );
    }
    for (const [key, sinceMs] of this.#past) if (nowMs - sinceMs >= graceMs) this.#past.delete(key);
    this.#matchSelectors();
    this.#apply();
    placer.sweep(nowMs, graceMs);
    this.#notices.tick();
    this.#rewriteIfLong();
  }

  /** Forgets names, connected or not; answers how many entries that were. */
  clean(isMeant: (entry: NameEntry) => boolean): number {
    const cleaned = this.#options.book.clean(isMeant);
    this.#apply();
    return cleaned;
  }

  get counters(): Readonly<FqdnCounters> {
    return this.#counters;
  }

  /** Looks at every entry. */
  status(): FqdnStatus {
    const { book, placer } = this.#options;
    const names = new Set<string>();
    const addresses = new Set<string>();
    let connected = 0;
    for (const entry of book.entries()) {
      names.add(entry.name);
      addresses.add(entry.address);
      if (entry.connected) connected++;
    }
    return {
      names: names.size,
      addresses: addresses.size,
      connected,
      selectors: this.#selectors.size,
      identities: placer.identityCount,
      refused: book.refused.size,
      shared: book.shared.size,
      evicted: book.evicted,
      counters: this.#counters,
      fileProblem: this.#fileProblem,
      lookProblem: this.#lookProblem,
    };
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    clearImmediate(this.#scheduled);
  }

  /** What the proxy says of itself is checked as what anybody says. */
  #lookupOf({ client, name, aliases, addresses, atMs }: ResolvedName) {
    const { clients, now } = this.#options;
    return {
      endpoint: clients.endpointOf(client),
      name: nameOf(name),
      aliases: aliases.map(nameOf),
      addresses: addresses.slice(0, mostAddresses).flatMap(({ address: text, ttlS }) => {
        const address = Address.tryParse(text);
        return address ? [{ address, ttlS }] : [];
      }),
      atMs: Number.isSafeInteger(atMs) && atMs >= 0 ? atMs : now(),
    };
  }

  #apply(): void {
    const { book, placer, now } = this.#options;
    clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#recheckAll) book.recheckAll();
    this.#recheckAll = false;
    const { changes, judged } = book.takeChanges();
    placer.apply(changes, now());
    this.#notices.note(book, judged);
    this.#write((file) => file.addRemoved(book.takeRemoved()));
  }

  /** undefined: nobody can tell, and so nothing may go. */
  async #look(expired: ReadonlySet<string>): Promise<ReadonlySet<string> | undefined> {
    if (expired.size === 0) return expired;
    try {
      const connected = await this.#options.connected(expired);
      this.#lookProblem = undefined;
      return connected;
    } catch (error) {
      this.#lookProblem = (error as Error).message;
      this.#options.log.warn({ error }, "connections could not be looked for");
      return undefined;
    }
  }

  #write(write: (file: NameFile) => void): void {
    const { file, log } = this.#options;
    if (!file) return;
    try {
      write(file);
    } catch (error) {
      const { message } = error as Error;
      if (this.#fileProblem !== message) log.error({ error }, "names could not be written down");
      this.#fileProblem = message;
    }
  }

  /** The file holds the last word on everything many times over by and by. */
  #rewriteIfLong(): void {
    const { file, book } = this.#options;
    if (!file || file.isBeingWritten) return;
    if (this.#fileProblem === undefined && file.lines < book.size + 1000) return;
    void this.rewrite();
  }

  /** Writes everything down anew. */
  async rewrite(): Promise<void> {
    const { file, book, log } = this.#options;
    if (!file) return;
    try {
      await file.rewrite(book.selectors, book.entries());
      this.#fileProblem = undefined;
    } catch (error) {
      this.#fileProblem = (error as Error).message;
      log.error({ error }, "names could not be written down anew");
    }
  }
}

function nameOf(text: string): string {
  return normalizeDnsName(text.slice(0, longestName));
}
