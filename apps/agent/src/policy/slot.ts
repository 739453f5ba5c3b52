// A slot on its way into the kernel: what is not written yet, why, and what must be removed when it goes.
import type { CidrClassEntry, ClassEntry, CompiledSlot, RuleEntry } from "@tsilium/policy/model.ts";
import type { PolicyMaps } from "@tsilium/datapath";
import type { CidrView } from "./cidr-view.ts";
import { NumberBag } from "./number-bag.ts";

export type SlotHeader = Pick<CompiledSlot, "slot" | "otherwise" | "usesCidr" | "knownPeersOnly">;

export class Slot {
  readonly #header: SlotHeader;
  /** How it sees cidr sets that came up after the compiler let go of it; undefined while it has not. */
  view: CidrView | undefined;
  /** Why what waits could not be written. */
  error: string | undefined;
  #content: CompiledSlot | undefined;
  /** Identities of the content that are gone since. */
  readonly #gone = new Set<number>();
  #newRules: RuleEntry[] = [];
  #newCidrClasses: CidrClassEntry[] = [];
  #newClasses: ClassEntry[] = [];
  /** What waits has waited for a listener when it was last tried. */
  #isHeld = false;
  readonly #proxyPorts = new Set<number>();
  // Everything that was written, or that was begun to be.
  readonly #rules: RuleEntry[] = [];
  readonly #identities = new NumberBag();
  readonly #cidrClasses = new Map<number, number>();

  private constructor(header: SlotHeader) {
    this.#header = header;
  }

  /** A slot as compiled, nothing of it written. In the kernel it has a number of its own. */
  static compiled(content: CompiledSlot, number: number): Slot {
    const { otherwise, usesCidr, knownPeersOnly } = content;
    const slot = new Slot({ slot: number, otherwise, usesCidr, knownPeersOnly });
    slot.#content = { ...content, slot: number };
    for (const rule of content.rules) slot.#notePort(rule);
    return slot;
  }

  /** One that is in the kernel already, from before. Its entries are for a prune to remove. */
  static left(header: SlotHeader, view: CidrView, proxyPorts: ReadonlySet<number>): Slot {
    const slot = new Slot(header);
    slot.view = view;
    for (const port of proxyPorts) slot.#proxyPorts.add(port);
    return slot;
  }

  /** Its number in the kernel. */
  get number(): number {
    return this.#header.slot;
  }

  get usesCidr(): boolean {
    return this.#header.usesCidr;
  }

  /** A peer that is not known is refused. */
  get knownPeersOnly(): boolean {
    return this.#header.knownPeersOnly;
  }

  /** All of it is in the kernel. */
  get isWhole(): boolean {
    const additions = this.#newRules.length + this.#newCidrClasses.length + this.#newClasses.length;
    return !this.#content && additions === 0;
  }

  /** What it is to learn waits for a listener. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Of listeners that it sends connections to. */
  get proxyPorts(): ReadonlySet<number> {
    return this.#proxyPorts;
  }

  /** Identities and cidr sets that it does not tell apart yet although it should. */
  get missingIdentities(): number[] {
    return this.#newClasses.map(({ identity }) => identity);
  }

  get missingCidrSets(): number[] {
    return this.#newCidrClasses.map(({ cidrSet }) => cidrSet);
  }

  /** cidr set -> class, written or about to be. */
  get cidrClasses(): ReadonlyMap<number, number> {
    return this.#cidrClasses;
  }

  /** How many entries it has in the kernel's tables. */
  get size(): { readonly classes: number; readonly rules: number } {
    const classes = this.#identities.size + this.#cidrClasses.size;
    return { classes, rules: this.#rules.length };
  }

  addRule(entry: RuleEntry): void {
    this.#newRules.push(entry);
    this.#rules.push(entry);
    this.#notePort(entry);
  }

  addClass(entry: ClassEntry): void {
    this.#newClasses.push(entry);
    if (!this.#identities.has(entry.identity)) this.#identities.add(entry.identity);
  }

  addCidrClass(entry: CidrClassEntry): void {
    this.#newCidrClasses.push(entry);
    this.#cidrClasses.set(entry.cidrSet, entry.class);
  }

  /**
   * Writes what waits: rules before the classes that lead to them. What a slot learns may be in force at once: it waits
   * for its listeners first. @throws BpfError; the rest waits on
   */
  write(maps: PolicyMaps, isReady: (proxyPort: number) => boolean): void {
    this.#isHeld = false;
    if (this.#content) this.#writeContent(maps, this.#content);
    const listeners = this.#newRules.filter(({ proxyPort }) => proxyPort !== 0);
    this.#isHeld = !listeners.every(({ proxyPort }) => isReady(proxyPort));
    if (this.#isHeld) return;
    if (this.#newRules.length > 0) maps.addRules(this.#header, this.#newRules);
    this.#newRules = [];
    if (this.#newCidrClasses.length > 0) maps.addCidrClasses(this.number, this.#newCidrClasses);
    this.#newCidrClasses = [];
    if (this.#newClasses.length > 0) maps.addClasses(this.number, this.#newClasses);
    this.#newClasses = [];
  }

  /** An identity is not known any more. Answers whether it may have an entry, for `removeClasses` to remove. */
  forget(identity: number): boolean {
    if (this.#content) this.#gone.add(identity);
    this.#newClasses = this.#newClasses.filter((entry) => entry.identity !== identity);
    return this.#identities.has(identity);
  }

  /** Takes the entries of identities away that were forgotten. */
  removeClasses(maps: PolicyMaps, identities: ReadonlySet<number>): void {
    maps.removeClasses(this.number, [...identities]);
    for (const identity of identities) this.#identities.delete(identity);
  }

  /** Takes the classes of sets away that no address has any more. */
  removeCidrSets(maps: PolicyMaps, sets: ReadonlySet<number>): void {
    const removed = [...sets].filter((set) => this.#cidrClasses.has(set));
    if (removed.length === 0) return;
    this.#newCidrClasses = this.#newCidrClasses.filter(({ cidrSet }) => !sets.has(cidrSet));
    maps.removeCidrClasses(this.number, removed);
    for (const set of removed) this.#cidrClasses.delete(set);
  }

  /** Removes all that was written. Nobody may be held to it any more. */
  remove(maps: PolicyMaps): void {
    maps.removeSlot({
      ...this.#header,
      rules: this.#rules,
      classes: Array.from(this.#identities, (identity) => ({
        identity,
        class: 0,
        ignoresCidr: false,
      })),
      cidrClasses: Array.from(this.#cidrClasses.keys(), (cidrSet) => ({ cidrSet, class: 0 })),
    });
  }

  #notePort({ proxyPort }: RuleEntry): void {
    if (proxyPort !== 0) this.#proxyPorts.add(proxyPort);
  }

  #writeContent(maps: PolicyMaps, compiled: CompiledSlot): void {
    const classes = compiled.classes.filter(({ identity }) => !this.#gone.has(identity));
    const content = this.#gone.size > 0 ? { ...compiled, classes } : compiled;
    try {
      maps.writeSlot(content);
    } catch (error) {
      // Room for others; the content is kept for another attempt.
      maps.removeSlot(content);
      throw error;
    }
    for (const { identity } of content.classes) this.#identities.add(identity);
    for (const { cidrSet, class: id } of content.cidrClasses) this.#cidrClasses.set(cidrSet, id);
    for (const rule of content.rules) this.#rules.push(rule);
    this.#content = undefined;
    this.#gone.clear();
  }
}
