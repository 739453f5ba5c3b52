// The policy compiler: policies, identities and addresses in, the kernel's slots out, and after that what became
// different. Pure: no clock, no I/O; it does nothing until `commit`.
//
//   setPolicy, setSubject, ... -> Catalog: which specs a subject is held to --requests--> SlotStore: a slot for each
//   setIdentity ----------------> Peers: who matches a selector ------------------------^
//   setCidrSet -----------------> CidrSets: which prefixes cover an address ------------^
import type { Prefix } from "@tsilium/net";
import type {
  CidrGroup,
  CompiledSlot,
  Direction,
  PeerIdentity,
  Policy,
  PolicyRef,
  PolicyService,
  PolicySettings,
  RuleName,
  RuleSet,
  Subject,
} from "../model.ts";
import { catchUp, type Changes, outdatedBy } from "./catch-up.ts";
import { Catalog } from "./catalog.ts";
import { CidrSets } from "./cidr-sets.ts";
import type { Decision } from "./decider.ts";
import { DeltaDraft, type PolicyDelta } from "./delta.ts";
import { requestFor } from "./enforcement.ts";
import { SlotError } from "./errors.ts";
import { type Explanation, explain, type ExplainQuestion } from "./explain.ts";
import { allowSlot, fixedSlot, type Held, noRule, unknownSlot } from "./fixed-slots.ts";
import type { DecidedPacket, LiveSlot } from "./live-slot.ts";
import { Peers } from "./peers.ts";
import { fqdnSource } from "./resolve.ts";
import { RuleNumbers } from "./rule-numbers.ts";
import { countedPorts, type RuleSetPorts, type WantedListener } from "./rule-set-ports.ts";
import { RuleSets } from "./rule-sets.ts";
import { SlotStore } from "./slot-store.ts";

export type CompilerStart = {
  /** First numbers to give out: an earlier agent's may still be in the kernel. */
  readonly firstSlot?: number;
  readonly firstRule?: number;
  /** Rule entries that one slot may have. Default: as many as the kernel's table has. */
  readonly maxRules?: number;
  /** Who gives rule sets their listeners. Default: they are counted, for where there are none. */
  readonly ports?: RuleSetPorts;
};

/** A rule that allows nothing in some place, and the one that is enforced there instead. */
export type L7Conflict = {
  readonly ref: PolicyRef;
  readonly path: string;
  readonly by: { readonly ref: PolicyRef; readonly path: string };
};

const directions: readonly Direction[] = ["ingress", "egress"];

/** Slots that are built anew in one commit since there are listeners for them now. */
const mostCompleted = 16;

type SubjectState = {
  subject: Subject;
  isDeleted: boolean;
  readonly held: Record<Direction, Held>;
};

export class PolicyCompiler {
  readonly settings: PolicySettings;
  readonly #catalog: Catalog;
  /** To be looked at only. */
  readonly peers: Peers<LiveSlot>;
  readonly #sets = new CidrSets();
  readonly #rules: RuleNumbers;
  readonly #ruleSets: RuleSets;
  readonly #slots: SlotStore;
  readonly #subjects = new Map<number, SubjectState>();
  /** Subjects that do not have the slot that they should. */
  readonly #failed = new Set<number>();
  /** Undefined after slots changed. */
  #fqdnSelectors: readonly string[] | undefined;
  /** Identities that some slot has no room for, and that therefore must not count as known. */
  readonly #withheld = new Set<number>();

  constructor(settings: PolicySettings, start: CompilerStart = {}) {
    const { firstSlot = allowSlot + 1, firstRule = noRule + 1, maxRules } = start;
    this.settings = settings;
    this.#catalog = new Catalog(settings);
    this.peers = new Peers(settings);
    this.#rules = new RuleNumbers(firstRule);
    this.#ruleSets = new RuleSets(start.ports ?? countedPorts());
    this.#slots = new SlotStore({
      settings,
      firstSlot,
      maxRules,
      peers: this.peers,
      sets: this.#sets,
      rules: this.#rules,
      ruleSets: this.#ruleSets,
    });
  }

  setPolicy(policy: Policy): void {
    this.#catalog.setPolicy(policy);
  }

  deletePolicy(ref: PolicyRef): void {
    this.#catalog.deletePolicy(ref);
  }

  setCidrGroup(group: CidrGroup): void {
    this.#catalog.setCidrGroup(group);
  }

  deleteCidrGroup(name: string): void {
    this.#catalog.deleteCidrGroup(name);
  }

  setService(service: PolicyService): void {
    this.#catalog.setService(service);
  }

  deleteService(namespace: string, name: string): void {
    this.#catalog.deleteService(namespace, name);
  }

  setIdentity(identity: PeerIdentity): void {
    this.peers.set(identity);
  }

  deleteIdentity(id: number): void {
    this.peers.delete(id);
  }

  /** Says what a number stands for that rows of the address table have: the prefixes of policies that cover them. */
  setCidrSet(id: number, prefixes: readonly Prefix[]): void {
    this.#sets.set(id, prefixes);
  }

  deleteCidrSet(id: number): void {
    this.#sets.delete(id);
  }

  setSubject(subject: Subject): void {
    const { id, labels } = subject;
    const state = this.#subjects.get(id);
    if (state) Object.assign(state, { subject, isDeleted: false });
    else {
      const held = { ingress: unknownSlot, egress: unknownSlot } as const;
      this.#subjects.set(id, { subject, isDeleted: false, held });
    }
    this.#catalog.setSubject(id, labels);
  }

  deleteSubject(id: number): void {
    const state = this.#subjects.get(id);
    if (!state) return;
    state.isDeleted = true;
    this.#catalog.deleteSubject(id);
  }

  /** Every prefix and exception that a slot looks at, as of the last commit, by its text. A live view. */
  prefixes(): ReadonlyMap<string, Prefix> {
    return this.#slots.prefixes;
  }

  /**
   * What the kernel must be told after the changes since the last commit. New slots may look at new prefixes: then the
   * address table's sets change, and with their numbers said (`setCidrSet`) the next commit completes this one; both
   * are to be written before rows and subjects are.
   */
  commit(): PolicyDelta {
    const draft = new DeltaDraft();
    this.#slots.settle();
    const changes = { peers: this.peers.takeChanges(), sets: this.#sets.takeChanges() };
    const before = this.#slots.live;
    const outdated = outdatedBy(changes, this.#around);
    this.#reassign(this.#takeTouched(changes, outdated), draft);
    this.#completeShort(draft);
    const staying = new Set([...before].filter(({ users }) => users.size > 0));
    const full = catchUp(staying, changes, { ...this.#around, draft });
    if (full.size > 0) this.#reassign(this.#usersOf(full), draft);
    draft.parts.removedSlots.push(...this.#slots.sweep());
    if (draft.parts.slots.length + draft.parts.removedSlots.length > 0)
      this.#fqdnSelectors = undefined;
    this.#tellKnown(changes, draft);
    return draft.finish();
  }

  /** What a number in an entry or event stands for; of rules that went, for a while. */
  ruleName(number: number): RuleName | undefined {
    if (number !== noRule) return this.#rules.name(number);
    const { enablePolicy } = this.settings;
    const reason = enablePolicy === "never" ? "enable-policy=never" : "no policy selects it";
    return { kind: "builtin", reason };
  }

  /** What the listener of a redirect enforces. */
  ruleSet(proxyPort: number): RuleSet | undefined {
    return this.#ruleSets.get(proxyPort);
  }

  /** The last number that was given out; they grow, and none is given again. */
  get lastRule(): number {
    return this.#rules.last;
  }

  /** Every number that stands for something, but 0. */
  ruleNames(): Iterable<readonly [number: number, name: RuleName]> {
    return this.#rules.names();
  }

  /** What a subject is held to, as of the last commit; slot 0 for one that is not known. */
  slotsOf(subject: number): Readonly<Record<Direction, CompiledSlot>> {
    const held = this.#subjects.get(subject)?.held;
    const compiled = (direction: Direction) => {
      const slot = held?.[direction] ?? unknownSlot;
      return typeof slot === "number" ? fixedSlot(slot, direction) : slot.compiled();
    };
    return { ingress: compiled("ingress"), egress: compiled("egress") };
  }

  /**
   * What becomes of packets of a subject's pods, as of the last commit. undefined: dropped, since the subject or the
   * peer is not known.
   */
  decide(
    subject: number,
    direction: Direction,
    packet: DecidedPacket,
  ): Pick<Decision, "verdict" | "proxyPort"> | undefined {
    const slot = this.#subjects.get(subject)?.held[direction] ?? unknownSlot;
    if (slot === unknownSlot) return undefined;
    if (slot === allowSlot) return { verdict: "allow", proxyPort: 0 };
    const isStranger = !slot.knows(packet.identity) && !this.peers.get(packet.identity);
    if (isStranger && slot.plan.header.knownPeersOnly) return undefined;
    return slot.decide(packet);
  }

  /** Rule sets without a listener, each once, as of the last commit: what should go through it is denied. */
  missingListeners(): WantedListener[] {
    const found = new Map<string, WantedListener>();
    for (const { plan } of this.#slots.live)
      for (const wanted of plan.ruleSets.missing) found.set(wanted.content, wanted);
    return [...found.values()];
  }

  /** Another commit would have listeners for some of these. */
  get hasListenersForMore(): boolean {
    return this.#slots.short().length > 0;
  }

  /** Names and patterns of `toFQDNs` that slots look for, in order, as of the last commit. */
  fqdnSelectors(): readonly string[] {
    return (this.#fqdnSelectors ??= this.#findFqdnSelectors());
  }

  #findFqdnSelectors(): string[] {
    const texts = new Set<string>();
    for (const { selector } of this.peers.selectors.inUse())
      for (const { source, key } of selector) if (source === fqdnSource) texts.add(key);
    return [...texts].sort();
  }

  /** L7 rules that allow nothing somewhere, since a proxy there enforces another rule of other kind or certificate. */
  conflicts(): L7Conflict[] {
    const found = new Map<string, L7Conflict>();
    for (const { plan } of this.#slots.live)
      for (const [left, kept] of plan.redirects.conflicts) {
        const [rule, by] = [this.#rules.name(left), this.#rules.name(kept)];
        if (rule?.kind !== "rule" || by?.kind !== "rule") continue;
        const conflict = { ref: rule.ref, path: rule.path, by: { ref: by.ref, path: by.path } };
        found.set(JSON.stringify(conflict), conflict);
      }
    return [...found.values()];
  }

  /** Why traffic between two ends is let through or not, as of the last commit. */
  explain(question: ExplainQuestion): Explanation {
    return explain(
      {
        ...this.#around,
        catalog: this.#catalog,
        sets: this.#sets,
        subject: (id) => this.#subjects.get(id)?.subject,
        held: (id, direction) => this.#subjects.get(id)?.held[direction],
        ruleName: (rule) => this.ruleName(rule),
      },
      question,
    );
  }

  get #around(): { readonly peers: Peers<LiveSlot>; readonly store: SlotStore } {
    return { peers: this.peers, store: this.#slots };
  }

  /** Subjects that may need other slots. */
  #takeTouched(changes: Changes, outdated: readonly LiveSlot[]): Set<number> {
    const touched = this.#catalog.takeTouched();
    const { removed, changed } = changes.peers;
    const mayHelp =
      touched.size + removed.length + changed.length + changes.sets.removed.length > 0;
    if (mayHelp) for (const id of this.#failed) touched.add(id);
    return touched.union(this.#usersOf(outdated));
  }

  /** The users of slots that are not right any more, or not whole. */
  #usersOf(slots: Iterable<LiveSlot>): Set<number> {
    const users = new Set<number>();
    for (const slot of slots) {
      this.#slots.outdate(slot);
      for (const user of slot.users) users.add(user);
    }
    return users;
  }

  /** Slots that lack listeners are built anew when there are some; each takes one at least, so that this ends. */
  #completeShort(draft: DeltaDraft): void {
    for (const slot of this.#slots.short().slice(0, mostCompleted))
      if (slot.plan.ruleSets.mayHaveMore) this.#reassign(this.#usersOf([slot]), draft);
  }

  #reassign(ids: Iterable<number>, draft: DeltaDraft): void {
    for (const id of ids) {
      const state = this.#subjects.get(id);
      if (!state) continue;
      if (state.isDeleted) this.#remove(state, draft);
      else this.#update(state, draft);
    }
  }

  #update({ subject, held }: SubjectState, draft: DeltaDraft): void {
    const told = { ingress: numberOf(held.ingress), egress: numberOf(held.egress) };
    const hadFailed = this.#failed.delete(subject.id);
    for (const direction of directions) {
      const slot = this.#obtain(subject, direction, draft);
      if (slot === undefined) continue;
      hold(held, direction, { slot, user: subject.id });
    }
    const now = { ingress: numberOf(held.ingress), egress: numberOf(held.egress) };
    const hasRecovered = hadFailed && !this.#failed.has(subject.id);
    if (now.ingress !== told.ingress || now.egress !== told.egress || hasRecovered)
      draft.parts.subjects.push({ subject: subject.id, ...now });
  }

  /** undefined: it cannot be built, and that is in the draft. */
  #obtain(subject: Subject, direction: Direction, draft: DeltaDraft): Held | undefined {
    try {
      const request = requestFor(subject, direction, this.#catalog);
      if (!request) return allowSlot;
      const { slot, built } = this.#slots.obtain(request);
      if (built) draft.parts.slots.push(built);
      return slot;
    } catch (error) {
      if (!(error instanceof SlotError)) throw error;
      this.#failed.add(subject.id);
      draft.parts.failed.push({ subject: subject.id, direction, reason: error.message });
      return undefined;
    }
  }

  #remove({ subject, held }: SubjectState, draft: DeltaDraft): void {
    for (const direction of directions)
      hold(held, direction, { slot: unknownSlot, user: subject.id });
    this.#subjects.delete(subject.id);
    this.#failed.delete(subject.id);
    draft.parts.removedSubjects.push(subject.id);
  }

  #tellKnown({ peers }: Changes, { parts }: DeltaDraft): void {
    for (const id of peers.removed) if (!this.#withheld.delete(id)) parts.forgotten.push(id);
    const missing = new Set([...this.#slots.live].flatMap((slot) => [...slot.missing]));
    for (const id of [...peers.added.map((peer) => peer.id), ...this.#withheld]) {
      if (missing.has(id)) this.#withheld.add(id);
      else {
        this.#withheld.delete(id);
        parts.known.push(id);
      }
    }
  }
}

function numberOf(held: Held): number {
  return typeof held === "number" ? held : held.number;
}

function hold(
  held: Record<Direction, Held>,
  direction: Direction,
  { slot, user }: { readonly slot: Held; readonly user: number },
): void {
  const before = held[direction];
  if (before === slot) return;
  if (typeof before !== "number") before.users.delete(user);
  if (typeof slot !== "number") slot.users.add(user);
  held[direction] = slot;
}
