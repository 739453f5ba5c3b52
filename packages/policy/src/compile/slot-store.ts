// Slots in use, one for each request that some subject makes, and everything that is kept only as long as some slot is.
import type { Prefix } from "@tsilium/net";
import type { CompiledSlot, PolicySettings } from "../model.ts";
import { SlotError } from "./errors.ts";
import { LiveSlot } from "./live-slot.ts";
import type { CidrSets } from "./cidr-sets.ts";
import { makePlan } from "./make-plan.ts";
import type { Peers } from "./peers.ts";
import type { SlotRequest } from "./plan.ts";
import { RuleLease, type RuleNumbers } from "./rule-numbers.ts";
import { RuleSetLease, type RuleSets } from "./rule-sets.ts";
import { SlotNumbers } from "./slot-numbers.ts";

export type SlotStoreOptions = {
  readonly settings: PolicySettings;
  readonly peers: Peers<LiveSlot>;
  readonly sets: CidrSets;
  readonly rules: RuleNumbers;
  readonly ruleSets: RuleSets;
  readonly firstSlot: number;
  /** A slot's; what needs more is not built. */
  readonly maxRules: number | undefined;
};

export class SlotStore {
  readonly #options: SlotStoreOptions;
  readonly #numbers: SlotNumbers;
  readonly #byRequest = new Map<string, LiveSlot>();
  /** All, those that no longer answer a request included, with the request. */
  readonly #live = new Map<LiveSlot, string>();
  /** Requests that cannot be answered, for the rest of the commit. */
  readonly #failures = new Map<string, SlotError>();
  readonly #prefixes = new Map<string, Prefix>();
  /** Slots that look at a prefix, by its text. */
  readonly #lookers = new Map<string, Set<LiveSlot>>();

  constructor(options: SlotStoreOptions) {
    this.#options = options;
    this.#numbers = new SlotNumbers(options.firstSlot);
  }

  /** Copied. */
  get live(): ReadonlySet<LiveSlot> {
    return new Set(this.#live.keys());
  }

  /** Prefixes that live slots look at, by their text. */
  get prefixes(): ReadonlyMap<string, Prefix> {
    return this.#prefixes;
  }

  /** Slots that look at some of the prefixes. */
  lookersAt(texts: readonly string[]): Set<LiveSlot> {
    return new Set(texts.flatMap((text) => [...(this.#lookers.get(text) ?? [])]));
  }

  /** Slots that others in their place would have more listeners than. */
  short(): LiveSlot[] {
    return [...this.#byRequest.values()].filter(({ plan }) => plan.ruleSets.mayHaveMore);
  }

  /** The request's slot; `built` is the whole of it when it is new. @throws SlotError */
  obtain(request: SlotRequest): { readonly slot: LiveSlot; readonly built?: CompiledSlot } {
    const key = requestKey(request);
    const known = this.#byRequest.get(key);
    if (known) return { slot: known };
    const failure = this.#failures.get(key);
    if (failure) throw failure;
    try {
      const { slot, built } = this.#build(request);
      this.#byRequest.set(key, slot);
      this.#live.set(slot, key);
      return { slot, built };
    } catch (error) {
      if (error instanceof SlotError) this.#failures.set(key, error);
      throw error;
    }
  }

  /** It answers no request any more: what it decides is not right for some peer. */
  outdate(slot: LiveSlot): void {
    const key = this.#live.get(slot) ?? "";
    if (this.#byRequest.get(key) === slot) this.#byRequest.delete(key);
  }

  /** Lets go of slots without users. Answers their numbers. */
  sweep(): number[] {
    const unused = [...this.#live.keys()].filter(({ users }) => users.size === 0);
    for (const slot of unused) {
      this.outdate(slot);
      this.#live.delete(slot);
      this.#numbers.release(slot.number);
      this.#letGo(slot);
    }
    return unused.map(({ number }) => number);
  }

  /** Before each commit: what was swept is gone from the kernel, and what failed may be tried again. */
  settle(): void {
    this.#numbers.settle();
    this.#failures.clear();
  }

  #build(request: SlotRequest): { readonly slot: LiveSlot; readonly built: CompiledSlot } {
    const { settings, peers, sets, rules, maxRules } = this.#options;
    const lease = new RuleLease(rules);
    const ruleSets = new RuleSetLease(this.#options.ruleSets);
    let slot: LiveSlot | undefined;
    try {
      const plan = makePlan(request, { settings, lease, ruleSets });
      slot = new LiveSlot(this.#numbers.take(), plan, maxRules);
      this.#holdOn(slot);
      return { slot, built: slot.fill(peers, sets.having(plan.grouping.prefixes.keys())) };
    } catch (error) {
      if (slot) this.#letGo(slot);
      if (slot) this.#numbers.putBack(slot.number);
      lease[Symbol.dispose]();
      ruleSets[Symbol.dispose]();
      throw error;
    }
  }

  #holdOn(slot: LiveSlot): void {
    const { selectors, prefixes } = slot.plan.grouping;
    for (const [key, { selector }] of selectors)
      this.#options.peers.selectors.acquire({ key, selector }, slot);
    for (const [text, { prefix }] of prefixes) {
      this.#prefixes.set(text, prefix);
      const lookers = this.#lookers.get(text) ?? new Set();
      this.#lookers.set(text, lookers.add(slot));
    }
  }

  #letGo(slot: LiveSlot): void {
    const { selectors, prefixes } = slot.plan.grouping;
    for (const key of selectors.keys()) this.#options.peers.selectors.release(key, slot);
    for (const text of prefixes.keys()) {
      const lookers = this.#lookers.get(text);
      lookers?.delete(slot);
      if (lookers?.size !== 0) continue;
      this.#lookers.delete(text);
      this.#prefixes.delete(text);
    }
    slot.plan.lease[Symbol.dispose]();
    slot.plan.ruleSets[Symbol.dispose]();
  }
}

/** A text that two requests share exactly when the same slot answers both. */
export function requestKey(request: SlotRequest): string {
  const { direction, sides, isolatedBy, isAudit, namedPorts } = request;
  const ports = namedPorts.map(({ name, protocol, port }) => `${protocol}/${name}=${port}`).sort();
  return JSON.stringify([direction, sides.map(({ id }) => id), isolatedBy, isAudit, ports]);
}
