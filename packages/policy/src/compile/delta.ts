// What the kernel needs to be told after a commit, and how it comes together.
import type { CidrClassEntry, ClassEntry, CompiledSlot, Direction, RuleEntry } from "../model.ts";
import type { SlotAdditions } from "./live-slot.ts";

/**
 * Written in this order: `slots` and the additions to slots that were there (rules, then classes); `known`; subjects;
 * then what is removed. Numbers of removed slots are free for others after the delta that says so.
 */
export type PolicyDelta = {
  /** New ones, whole. */
  readonly slots: readonly CompiledSlot[];
  readonly rules: readonly (RuleEntry & { readonly slot: number })[];
  readonly classes: readonly (ClassEntry & { readonly slot: number })[];
  readonly cidrClasses: readonly (CidrClassEntry & { readonly slot: number })[];
  /** Identities whose class entries are all said. */
  readonly known: readonly number[];
  /** Those whose slots are others now, and those that had failed and no longer do. */
  readonly subjects: readonly SubjectSlots[];
  readonly removedSubjects: readonly number[];
  readonly removedSlots: readonly number[];
  /** Identities that are known no more. */
  readonly forgotten: readonly number[];
  readonly removedClasses: readonly { readonly slot: number; readonly identity: number }[];
  readonly removedCidrClasses: readonly { readonly slot: number; readonly cidrSet: number }[];
  /**
   * Subjects that stay with the slot they have (0, which lets nothing through, when it is their first), since the one
   * they need cannot be built. Tried again when something changed that may help.
   */
  readonly failed: readonly FailedSubject[];
};

export type SubjectSlots = {
  readonly subject: number;
  /** 0: not known yet; 1: everything is allowed. */
  readonly ingress: number;
  readonly egress: number;
};

export type FailedSubject = {
  readonly subject: number;
  readonly direction: Direction;
  readonly reason: string;
};

type Mutable<Delta> = {
  -readonly [Key in keyof Delta]: Delta[Key] extends readonly (infer Item)[] ? Item[] : never;
};

/** A delta in the making. */
export class DeltaDraft {
  readonly parts: Mutable<PolicyDelta> = {
    slots: [],
    rules: [],
    classes: [],
    cidrClasses: [],
    known: [],
    subjects: [],
    removedSubjects: [],
    removedSlots: [],
    forgotten: [],
    removedClasses: [],
    removedCidrClasses: [],
    failed: [],
  };
  readonly #additions = new Map<number, SlotAdditions>();

  /** Where to put what a live slot learns. */
  additionsTo(slot: number): SlotAdditions {
    let additions = this.#additions.get(slot);
    if (!additions)
      this.#additions.set(slot, (additions = { rules: [], classes: [], cidrClasses: [] }));
    return additions;
  }

  finish(): PolicyDelta {
    const removed = new Set(this.parts.removedSlots);
    const { rules, classes, cidrClasses } = this.parts;
    for (const [slot, additions] of this.#additions) {
      if (removed.has(slot)) continue;
      for (const rule of additions.rules) rules.push({ slot, ...rule });
      for (const entry of additions.classes) classes.push({ slot, ...entry });
      for (const entry of additions.cidrClasses) cidrClasses.push({ slot, ...entry });
    }
    const isLive = ({ slot }: { readonly slot: number }) => !removed.has(slot);
    // A subject may have moved twice: only where it is now matters.
    const subjects = new Map(this.parts.subjects.map((slots) => [slots.subject, slots]));
    return {
      ...this.parts,
      subjects: [...subjects.values()],
      removedClasses: this.parts.removedClasses.filter(isLive),
      removedCidrClasses: this.parts.removedCidrClasses.filter(isLive),
    };
  }
}
