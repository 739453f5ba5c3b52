// A slot as it is in the kernel, without the entries themselves: they are computed from classes when they are written
// or looked at. What it decides for a known peer never changes; it only learns peers, and forgets them.
import type { CidrClassEntry, ClassEntry, CompiledSlot, RuleEntry } from "../model.ts";
import { type CidrClass, CidrClasses, partiesByAddress } from "./cidr-classes.ts";
import type { Decision } from "./decider.ts";
import { SlotError } from "./errors.ts";
import { type PeerClass, PeerClasses } from "./peer-classes.ts";
import type { KnownPeer, PeerSource } from "./peers.ts";
import type { SlotPlan } from "./plan.ts";
import { portBits, sizeOf } from "./port-cuts.ts";
import { portEntries } from "./port-entries.ts";

/** Texts of the prefixes in cidr-sets, by number. */
export type CidrSetSource = Iterable<readonly [id: number, texts: readonly string[]]>;

export type DecidedPacket = {
  readonly identity: number;
  /** Of the peer's address; 0: none. */
  readonly cidrSet: number;
  readonly protocol: number;
  readonly port: number;
};

/** Additions to a slot: rules before the classes that lead to them. */
export type SlotAdditions = {
  readonly rules: RuleEntry[];
  readonly classes: ClassEntry[];
  readonly cidrClasses: CidrClassEntry[];
};

/** Rules that the kernel's table has room for, of all slots together (tsi_policy_rule in bpf/maps/policy.h). */
export const defaultMaxRules = 524_288;

export class LiveSlot {
  readonly number: number;
  readonly plan: SlotPlan;
  /** Subjects that are held to it. */
  readonly users = new Set<number>();
  /** Peers that it could not take in. After the first it takes in nobody: what it has of their class is not whole. */
  readonly missing = new Set<number>();
  readonly #peers: PeerClasses;
  readonly #cidrs: CidrClasses;
  readonly #maxRules: number;
  #rules = 0;

  constructor(number: number, plan: SlotPlan, maxRules = defaultMaxRules) {
    this.number = number;
    this.plan = plan;
    this.#maxRules = maxRules;
    this.#peers = new PeerClasses(plan.header, plan.grouping);
    this.#cidrs = new CidrClasses(plan.grouping.prefixes);
  }

  get usesCidr(): boolean {
    const { looksAtAll, looksAtExternal } = this.plan.header;
    return looksAtAll || looksAtExternal;
  }

  /** Takes in everybody there is. Answers the whole of it. @throws SlotError */
  fill(peers: PeerSource, sets: CidrSetSource): CompiledSlot {
    this.#peers.fill(peers);
    this.#cidrs.fill();
    for (const [id, texts] of sets) this.#cidrs.add(id, texts);
    const rules: RuleEntry[] = [];
    for (const some of this.#rulesByKind()) {
      this.#count(some.length);
      for (const rule of some) rules.push(rule);
    }
    return this.#compiled(rules);
  }

  /** Adds a peer with what it needs. @throws SlotError, and the peer is missing */
  addPeer(peer: KnownPeer, parties: readonly number[], additions: SlotAdditions): void {
    try {
      if (this.missing.size > 0) throw this.#tooManyEntries();
      const created = this.#peers.add(peer, parties);
      if (created)
        for (const cidr of this.#cidrsOf(created)) this.#addRules(additions, created, cidr);
    } catch (error) {
      this.#peers.delete(peer.id);
      this.missing.add(peer.id);
      throw error;
    }
    const entry = this.#peers.entry(peer.id);
    if (entry) additions.classes.push(entry);
  }

  /** Adds a cidr-set with what it needs, which is nothing but for a set older than a prefix of the slot. @throws SlotError */
  addSet(id: number, texts: readonly string[], additions: SlotAdditions): void {
    const created = this.#cidrs.add(id, texts);
    if (created)
      for (const peer of this.#peers.all())
        if (peer.view !== "none") this.#addRules(additions, peer, created);
    const { number } = this.#cidrs.get(id);
    if (number !== 0) additions.cidrClasses.push({ cidrSet: id, class: number });
  }

  /** Whether a peer that changed is treated as before. */
  holdsPeer(peer: KnownPeer, parties: readonly number[]): boolean {
    return this.#peers.holds(peer, parties);
  }

  /** Whether a cidr-set that changed is treated as before. */
  holdsSet(id: number, texts: readonly string[]): boolean {
    return this.#cidrs.holds(id, texts);
  }

  /** Whether there was an entry. */
  deletePeer(id: number): boolean {
    this.missing.delete(id);
    return this.#peers.delete(id);
  }

  /** Whether there was an entry. */
  deleteSet(id: number): boolean {
    return this.#cidrs.delete(id);
  }

  /** What it decides for a packet of a peer that it knows, or that is a stranger to it. */
  decide({
    identity,
    cidrSet,
    protocol,
    port,
  }: DecidedPacket): Pick<Decision, "verdict" | "rule" | "proxyPort"> {
    const { peer, cidr } = this.kindOf(identity, cidrSet);
    const rules = this.#rulesOf(peer, peer.view === "none" ? this.#cidrs.get(0) : cidr);
    const named = rules
      .filter((rule) => rule.protocol === protocol && rule.port === blockOf(port, rule.portLength))
      .sort((a, b) => b.portLength - a.portLength);
    const anyProtocol = rules.find((rule) => rule.protocol === 0);
    return named[0] ?? anyProtocol ?? this.plan.header.otherwise;
  }

  /** Whether the peer is somebody else to it than a stranger. */
  knows(identity: number): boolean {
    return this.#peers.entry(identity) !== undefined;
  }

  /** All of it, as the kernel has it. */
  compiled(): CompiledSlot {
    return this.#compiled([...this.#rulesByKind()].flat());
  }

  /** What an identity at an address is to this slot. */
  kindOf(
    identity: number,
    cidrSet: number,
  ): { readonly peer: PeerClass; readonly cidr: CidrClass } {
    return { peer: this.#peers.get(identity), cidr: this.#cidrs.get(cidrSet) };
  }

  #compiled(rules: readonly RuleEntry[]): CompiledSlot {
    const { direction, header } = this.plan;
    const { verdict, rule, response } = header.otherwise;
    return {
      slot: this.number,
      direction,
      otherwise: { verdict, rule },
      response,
      portLengths: header.portLengths,
      usesCidr: this.usesCidr,
      defaultIgnoresCidr: this.usesCidr && this.#peers.defaultView === "none",
      knownPeersOnly: header.knownPeersOnly,
      classes: [...this.#peers.entries()],
      cidrClasses: [...this.#cidrs.entries()],
      rules,
    };
  }

  *#rulesByKind(): Generator<RuleEntry[], void> {
    for (const peer of this.#peers.all())
      for (const cidr of this.#cidrsOf(peer)) yield this.#rulesOf(peer, cidr);
  }

  /** A peer that is not looked at by address is of cidr class 0. */
  #cidrsOf({ view }: PeerClass): Iterable<CidrClass> {
    return view === "none" ? [this.#cidrs.get(0)] : this.#cidrs.all();
  }

  #addRules(additions: SlotAdditions, peer: PeerClass, cidr: CidrClass): void {
    const rules = this.#rulesOf(peer, cidr);
    this.#count(rules.length);
    for (const rule of rules) additions.rules.push(rule);
  }

  #rulesOf(peer: PeerClass, cidr: CidrClass): RuleEntry[] {
    const parties = new Set([...peer.parties, ...partiesByAddress(cidr, peer.view)]);
    const { namedPorts } = peer;
    return portEntries(this.plan, { parties, namedPorts }).map(
      ({ decision: { verdict, response, rule, proxyPort }, protocol, port, portLength }) => ({
        class: peer.number,
        cidrClass: cidr.number,
        protocol,
        port,
        portLength,
        verdict,
        response,
        rule,
        proxyPort,
      }),
    );
  }

  #count(more: number): void {
    this.#rules += more;
    if (this.#rules > this.#maxRules) throw this.#tooManyEntries();
  }

  #tooManyEntries(): SlotError {
    return new SlotError("too_many_entries", `more than ${this.#maxRules} entries in one policy`);
  }
}

/** The first port of the block of that many bits that a port is in. */
function blockOf(port: number, bits: number): number {
  return bits === portBits ? port : Math.floor(port / sizeOf(bits)) * sizeOf(bits);
}
