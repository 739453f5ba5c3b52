// The only place that writes policy into the kernel, and the order in which it does (docs/decisions/0006). Each step
// goes as far as the kernel lets it; what could not be written waits, and holds back what relies on it:
//
//   1 forgotten identities         from now on refused where a known peer may be worse off than a stranger
//   2 slots: rules, classes        a slot that is not whole is nobody's; the old one stays in force. So does it as long
//                                  as proxies do not enforce yet what the new one sends to them
//   3 address rows                 not those whose cidr set some slot in force cannot tell yet
//   4 subjects -> slots            the one write that switches
//   5 known identities             not those that some slot in force cannot tell yet
//   6 the epoch                    if something that connections were judged by is different now
//   7 removals                     when what is new has been in force for a moment (`cleanUp`)
//
// Nothing is ever written half and left: every step can be taken again.
import type { AddressChanges, AddressRow, CidrSet } from "@tsilium/ipcache";
import type { Prefix } from "@tsilium/net";
import type { PolicyDelta } from "@tsilium/policy";
import type { CompiledSlot } from "@tsilium/policy/model.ts";
import type { PolicyMaps } from "@tsilium/datapath";
import type { Direction, SubjectSlots } from "@tsilium/datapath/model.ts";
import { AddressWriter } from "./address-writer.ts";
import { CidrView, contentKey, type PrefixTexts } from "./cidr-view.ts";
import { KnownPeers } from "./known-peers.ts";
import type { Condition, MapUsage } from "./model.ts";
import type { Remains } from "./remains.ts";
import { Slot } from "./slot.ts";
import { SlotNumbers } from "./slot-numbers.ts";
import { allowSlot, SubjectSwitch } from "./subject-switch.ts";
import { refusal } from "./refusal.ts";

export type Written = {
  /** Subjects that have other slots now. */
  readonly switched: readonly number[];
  /** Some of the slots that they had or have send connections to proxies. */
  readonly redirectsChanged: boolean;
  /** Some address is somebody else's now. */
  readonly addressesChanged: boolean;
  /** Some identity is known now that was not. */
  readonly peersKnown: boolean;
};

export class KernelWriter {
  readonly #maps: PolicyMaps;
  readonly #isListenerReady: (proxyPort: number) => boolean;
  readonly #limits: Readonly<Record<string, number>>;
  /** Those that the kernel holds or is to hold, by their number there. */
  readonly #slots = new Map<number, Slot>();
  /** Those of them that the compiler has, by its number. */
  readonly #compiled = new Map<number, Slot>();
  readonly #numbers: SlotNumbers;
  readonly #sets = new Map<number, CidrSet>();
  readonly #addresses = new AddressWriter();
  readonly #peers: KnownPeers;
  readonly #subjects: SubjectSwitch;
  /** Identities whose class entries are to go. */
  readonly #removedClasses = new Map<Slot, Set<number>>();
  /** Numbers of slots that an earlier agent left, until they are pruned. */
  #left: ReadonlySet<number> | undefined;
  #removalError: string | undefined;
  #epochIsDue = false;

  /**
   * @param remains what the kernel holds from before; it stays in force until it is replaced
   * @param isListenerReady whether connections may be sent to a proxy's listener
   */
  constructor(
    maps: PolicyMaps,
    remains: Remains,
    isListenerReady: (proxyPort: number) => boolean = () => true,
  ) {
    this.#maps = maps;
    this.#isListenerReady = isListenerReady;
    this.#limits = maps.limits();
    this.#left = new Set(remains.slots.map(({ number }) => number));
    this.#peers = new KnownPeers(remains.identities);
    this.#subjects = new SubjectSwitch(remains.subjects);
    for (const slot of remains.slots) this.#slots.set(slot.number, slot);
    this.#numbers = new SlotNumbers(this.#slots.keys());
  }

  /**
   * Takes over what the compiler changed.
   * @param prefixes those that policies have named until now
   */
  accept(delta: PolicyDelta, prefixes: PrefixTexts): void {
    for (const identity of delta.forgotten) this.#peers.forget(identity);
    for (const { slot, identity } of delta.removedClasses) this.#removeClass(slot, identity);
    for (const slot of delta.removedSlots) this.#retire(slot, prefixes);
    for (const content of delta.slots) this.#add(content);
    for (const entry of delta.rules) this.#compiled.get(entry.slot)?.addRule(entry);
    for (const entry of delta.cidrClasses) this.#compiled.get(entry.slot)?.addCidrClass(entry);
    for (const entry of delta.classes) this.#addClass(entry);
    for (const identity of delta.known) this.#peers.know(identity);
    for (const { subject, ingress, egress } of delta.subjects) {
      this.#subjects.want({
        subject,
        ingress: this.#numberOf(ingress),
        egress: this.#numberOf(egress),
      });
    }
    for (const subject of delta.removedSubjects) this.#subjects.remove(subject);
    this.#subjects.noteFailed(delta);
  }

  /** Takes over sets that rows are about to have; every slot that the compiler still has must know of them by now. */
  acceptSets(sets: readonly CidrSet[]): void {
    for (const set of sets) {
      this.#sets.set(set.id, set);
      for (const slot of this.#slots.values()) {
        const id = slot.view?.classOf(set.prefixes) ?? 0;
        if (id !== 0) slot.addCidrClass({ cidrSet: set.id, class: id });
      }
    }
  }

  acceptAddresses(changes: AddressChanges): void {
    this.#addresses.accept(changes);
  }

  /** Told of a row of the table that the kernel holds already. */
  foundAddress(row: AddressRow): void {
    this.#addresses.found(row);
  }

  /** Has the row of a prefix removed that the table of addresses does not know of. */
  removeAddress(prefix: Prefix): void {
    this.#addresses.remove(prefix);
  }

  /** Puts in force all that waits, as far as it goes. */
  write(): Written {
    const maps = this.#maps;
    this.#removalError = undefined;
    this.#tryRemoval(() => this.#peers.writeForgotten(maps));
    this.#writeSlots();
    const addressesChanged = this.#addresses.write(maps, this.#blockedSets());
    const { switched, decidesAnew, slots } = this.#subjects.write(maps, (slot) =>
      this.#isReady(slot),
    );
    if (addressesChanged || decidesAnew) this.#epochIsDue = true;
    const peersKnown = this.#writeKnown();
    if (this.#epochIsDue) maps.bumpEpoch();
    this.#epochIsDue = false;
    const redirects = (slot: number) => (this.#slots.get(slot)?.proxyPorts.size ?? 0) > 0;
    const redirectsChanged = slots.values().some(redirects);
    return { switched, redirectsChanged, addressesChanged, peersKnown };
  }

  /** Removes what nobody is held to any more. True when that made room for what had none. */
  cleanUp(): boolean {
    const slots = this.#tryRemoval(() => this.#removeRetired());
    const classes = this.#tryRemoval(() => this.#removeClasses());
    return slots + classes > 0;
  }

  /** Drops sets that no row has any more, and answers them: the compiler may forget them too. */
  dropIdleSets(): number[] {
    const sets = this.#addresses.takeIdleSets();
    const gone = new Set(sets);
    this.#tryRemoval(() => {
      for (const slot of this.#slots.values()) slot.removeCidrSets(this.#maps, gone);
      return sets.length;
    });
    for (const set of sets) this.#sets.delete(set);
    return sets;
  }

  /** Has subjects removed that nobody told of. To be called when no endpoint's row names them any more. */
  dismissStrangers(): void {
    this.#subjects.removeStrangers();
  }

  /** Removes what earlier agents left and nobody is held to, but addresses. Looks at every entry there is. */
  prune(): void {
    if (!this.#left) return;
    const inForce = this.#subjects.slotsInForce();
    const unused = this.#left.difference(inForce);
    const isOver = unused.size === this.#left.size;
    if (unused.size === 0 && !isOver) return;
    const pruned = this.#tryRemoval(() => {
      this.#maps.prune({
        subjects: this.#subjects.subjects(),
        slots: new Set(this.#slots.keys()).difference(unused),
        identities: isOver ? this.#peers.wanted : this.#peers.known,
      });
      return 1;
    });
    if (pruned === 0) return;
    for (const slot of unused) {
      this.#slots.delete(slot);
      this.#numbers.release(slot);
    }
    if (isOver) this.#peers.pruned();
    this.#left = isOver ? undefined : this.#left.intersection(inForce);
  }

  /** What earlier agents left is still there. */
  get isAdopting(): boolean {
    return this.#left !== undefined;
  }

  /** Some slot is in force that the compiler no longer has: what it looks at must stay. */
  get hasOldSlotsInForce(): boolean {
    const inForce = this.#subjects.slotsInForce();
    return [...this.#slots.values()].some(({ view, number }) => view && inForce.has(number));
  }

  /** The kernel holds everything that it should. */
  get isDone(): boolean {
    return (
      this.#removalError === undefined &&
      this.#subjects.isDone &&
      this.#peers.isDone &&
      this.#addresses.isDone &&
      this.#slots.values().every(({ error }) => error === undefined)
    );
  }

  /** What is not in the kernel yet waits for listeners, and nothing was refused. */
  get isOnlyWaiting(): boolean {
    return (
      this.#removalError === undefined &&
      this.#addresses.isDone &&
      this.#slots.values().every(({ error }) => error === undefined) &&
      (this.#peers.isDone || this.#slots.values().some(({ isHeld }) => isHeld)) &&
      this.#subjects.isOnlyWaiting((slot) => this.#isWaiting(slot))
    );
  }

  /** Of listeners that some slot in the kernel, or about to be, sends connections to. */
  proxyPorts(): Set<number> {
    return new Set([...this.#slots.values()].flatMap(({ proxyPorts }) => [...proxyPorts]));
  }

  get slotCount(): number {
    return this.#slots.size;
  }

  /** Entries in the tables that refuse when they are full; what earlier agents left is not counted. */
  usage(): MapUsage[] {
    let classes = 0;
    let rules = 0;
    for (const { size } of this.#slots.values()) {
      classes += size.classes;
      rules += size.rules;
    }
    const entries: Readonly<Record<string, number>> = {
      tsi_policy: this.#slots.size,
      tsi_policy_class: classes,
      tsi_policy_rule: rules,
      tsi_identities: this.#peers.known.size,
      tsi_ipcache: this.#addresses.count,
    };
    return Object.entries(this.#limits).flatMap(([map, max]) => {
      const used = entries[map];
      return used === undefined ? [] : [{ map, entries: used, max }];
    });
  }

  /** Every subject is held to what was compiled for it. */
  get hasSwitched(): boolean {
    return this.#subjects.hasSwitched;
  }

  /** A subject's slots, once they are those that are meant for it. */
  settledSlots(subject: number): SubjectSlots | undefined {
    return this.#subjects.settled(subject);
  }

  /** A subject is held in a direction to what was compiled for it. */
  isSettled(subject: number, direction: Direction): boolean {
    return this.#subjects.isSettled(subject, direction);
  }

  conditions(): Condition[] {
    const slots = [...this.#slots.values()].flatMap((slot): Condition[] =>
      slot.error === undefined
        ? []
        : [{ kind: "slot", name: `slot ${slot.number}`, reason: slot.error }],
    );
    const removal: Condition[] =
      this.#removalError === undefined
        ? []
        : [{ kind: "removal", name: "old entries", reason: this.#removalError }];
    return [
      ...slots,
      ...this.#subjects.conditions((slot) => this.#isWaiting(slot)),
      ...this.#peers.conditions(),
      ...this.#addresses.conditions(),
      ...removal,
    ];
  }

  #writeSlots(): void {
    const inForce = this.#subjects.slotsInForce();
    for (const slot of this.#slots.values()) {
      if (slot.isWhole || (slot.view && !inForce.has(slot.number))) continue;
      slot.error = undefined;
      try {
        slot.write(this.#maps, this.#isListenerReady);
      } catch (error) {
        slot.error = refusal(error);
      }
    }
  }

  /** Sets that a slot in force should tell apart and does not. */
  #blockedSets(): Set<number> {
    const blocked = new Set<number>();
    for (const slot of this.#slotsInForce())
      for (const set of slot.missingCidrSets) blocked.add(set);
    return blocked;
  }

  #isReady(number: number): boolean {
    return this.#isWritten(number) && this.#hasListeners(number);
  }

  #isWritten(number: number): boolean {
    if (number <= allowSlot) return true;
    const slot = this.#slots.get(number);
    // Without its rows a prefix that an `except` names would be taken for what surrounds it.
    return slot !== undefined && slot.isWhole && (!slot.usesCidr || this.#addresses.isDone);
  }

  #hasListeners(number: number): boolean {
    const ports = this.#slots.get(number)?.proxyPorts ?? new Set();
    return ports.values().every((port) => this.#isListenerReady(port));
  }

  /** It lacks nothing but listeners. */
  #isWaiting(number: number): boolean {
    const isHeld = this.#slots.get(number)?.isHeld === true;
    return isHeld || (this.#isWritten(number) && !this.#hasListeners(number));
  }

  #writeKnown(): boolean {
    const missing = new Set<number>();
    let nobodyNew = false;
    for (const slot of this.#slotsInForce()) {
      for (const identity of slot.missingIdentities) missing.add(identity);
      // A slot that is compiled no more has no class for whoever comes up now.
      if (slot.view && slot.knownPeersOnly) nobodyNew = true;
    }
    return this.#peers.writeKnown(this.#maps, (identity) => nobodyNew || missing.has(identity));
  }

  #slotsInForce(): Slot[] {
    return [...this.#subjects.slotsInForce()].flatMap((number) => this.#slots.get(number) ?? []);
  }

  #add(content: CompiledSlot): void {
    const number = this.#numbers.take();
    const slot = Slot.compiled(content, number);
    this.#slots.set(number, slot);
    this.#compiled.set(content.slot, slot);
  }

  #addClass(entry: PolicyDelta["classes"][number]): void {
    const slot = this.#compiled.get(entry.slot);
    if (!slot) return;
    this.#removedClasses.get(slot)?.delete(entry.identity);
    slot.addClass(entry);
  }

  #removeClass(number: number, identity: number): void {
    const slot = this.#compiled.get(number);
    if (!slot?.forget(identity)) return;
    const identities = this.#removedClasses.get(slot) ?? new Set();
    this.#removedClasses.set(slot, identities.add(identity));
  }

  /** The number in the kernel of a slot of the compiler's. */
  #numberOf(compiled: number): number {
    return this.#compiled.get(compiled)?.number ?? compiled;
  }

  #retire(compiled: number, prefixes: PrefixTexts): void {
    const slot = this.#compiled.get(compiled);
    if (!slot) return;
    this.#compiled.delete(compiled);
    const classes = new Map<string, number>();
    for (const [set, id] of slot.cidrClasses)
      classes.set(contentKey(this.#sets.get(set)?.prefixes ?? []), id);
    slot.view = new CidrView(prefixes, classes);
  }

  /** Removes slots that nobody is held to; answers how many. */
  #removeRetired(): number {
    const inForce = this.#subjects.slotsInForce();
    let removed = 0;
    for (const [number, slot] of this.#slots) {
      if (!slot.view || inForce.has(number) || this.#left?.has(number)) continue;
      slot.remove(this.#maps);
      this.#slots.delete(number);
      this.#removedClasses.delete(slot);
      this.#numbers.release(number);
      removed++;
    }
    return removed;
  }

  #removeClasses(): number {
    let removed = 0;
    for (const [slot, identities] of this.#removedClasses) {
      slot.removeClasses(this.#maps, identities);
      this.#removedClasses.delete(slot);
      removed += identities.size;
    }
    return removed;
  }

  /** A removal that fails is tried again with the next round. */
  #tryRemoval(remove: () => number): number {
    try {
      return remove();
    } catch (error) {
      this.#removalError = refusal(error);
      return 0;
    }
  }
}
