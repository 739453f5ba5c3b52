// Which slots each subject is held to: those that the compiler wants, and those in force. A direction is switched when
// its slot is whole; until then the old one stays.
import type { PolicyMaps } from "@tsilium/datapath";
import type { Direction, SubjectSlots } from "@tsilium/datapath/model.ts";
import type { PolicyDelta } from "@tsilium/policy";
import type { Condition } from "./model.ts";
import { refusal } from "./refusal.ts";

/** Slots 0 and 1 always are (bpf/maps/policy.h). */
const unknownSlot = 0;
export const allowSlot = 1;

export type Switched = {
  readonly switched: readonly number[];
  readonly decidesAnew: boolean;
  readonly slots: ReadonlySet<number>;
};

export class SubjectSwitch {
  readonly #wanted = new Map<number, SubjectSlots>();
  readonly #inForce = new Map<number, SubjectSlots>();
  readonly #gone = new Set<number>();
  /** Subjects whose slot could not be compiled, and why. */
  readonly #failed = new Map<number, string>();
  #error: string | undefined;

  /** @param found subjects that the kernel has already */
  constructor(found: Iterable<SubjectSlots>) {
    for (const slots of found) this.#inForce.set(slots.subject, slots);
  }

  want(slots: SubjectSlots): void {
    this.#wanted.set(slots.subject, slots);
    this.#gone.delete(slots.subject);
  }

  remove(subject: number): void {
    this.#wanted.delete(subject);
    this.#failed.delete(subject);
    this.#gone.add(subject);
  }

  /** Notes what could not be compiled, and what by now could. */
  noteFailed({ failed, subjects }: Pick<PolicyDelta, "failed" | "subjects">): void {
    for (const { subject } of subjects) this.#failed.delete(subject);
    for (const { subject, direction, reason } of failed)
      this.#failed.set(subject, `${direction}: ${reason}`);
  }

  /** Subjects that the kernel has slots for. */
  subjects(): Set<number> {
    return new Set(this.#inForce.keys());
  }

  /** Every subject is held to what it should be. */
  get isDone(): boolean {
    return this.#failed.size === 0 && this.hasSwitched;
  }

  /** Nothing keeps a subject from its slots but what is waited for. */
  isOnlyWaiting(isWaiting: (slot: number) => boolean): boolean {
    if (this.#failed.size + this.#gone.size > 0) return false;
    return this.#behind().every((wanted) => this.#missing(wanted).every(isWaiting));
  }

  /** The same, as far as it could be compiled. */
  get hasSwitched(): boolean {
    return this.#gone.size === 0 && this.#behind().length === 0;
  }

  /** Slots that some subject is held to. */
  slotsInForce(): Set<number> {
    const slots = new Set<number>();
    for (const { ingress, egress } of this.#inForce.values()) slots.add(ingress).add(egress);
    return slots;
  }

  /** Has subjects removed that are in the kernel and that nobody told of. */
  removeStrangers(): void {
    for (const subject of this.#inForce.keys())
      if (!this.#wanted.has(subject)) this.#gone.add(subject);
  }

  /** A subject's slots, if they are those that are wanted. */
  settled(subject: number): SubjectSlots | undefined {
    const wanted = this.#wanted.get(subject);
    return wanted && sameSlots(wanted, this.#inForce.get(subject)) ? wanted : undefined;
  }

  /** The subject is held to what is wanted in a direction. */
  isSettled(subject: number, direction: Direction): boolean {
    const wanted = this.#wanted.get(subject)?.[direction];
    return wanted !== undefined && wanted === this.#inForce.get(subject)?.[direction];
  }

  /**
   * Switches what may be switched. Answers the subjects that have other slots now, and whether some of them were held
   * to others before: then there may be connections that were judged by these. `slots`: those of before and after.
   */
  write(maps: PolicyMaps, isReady: (slot: number) => boolean): Switched {
    const changes = [
      ...this.#behind().map((wanted) => this.#step(wanted, isReady)),
      ...this.#farewells(),
    ].filter((slots) => !sameSlots(slots, this.#inForce.get(slots.subject)));
    this.#error = undefined;
    try {
      if (changes.length > 0) maps.setSubjects(changes);
    } catch (error) {
      this.#error = refusal(error);
      return { switched: [], decidesAnew: false, slots: new Set() };
    }
    const decidesAnew = changes.some(
      ({ subject }) => this.#wanted.has(subject) && this.#isJudged(subject),
    );
    const slots = new Set<number>();
    for (const change of changes)
      for (const { ingress, egress } of [change, this.#inForce.get(change.subject) ?? change])
        slots.add(ingress).add(egress);
    for (const change of changes) this.#note(change);
    return { switched: changes.map(({ subject }) => subject), decidesAnew, slots };
  }

  /** Not those of subjects that only wait. */
  conditions(isWaiting: (slot: number) => boolean): Condition[] {
    const failed = Array.from(this.#failed, ([subject, reason]): Condition => ({
      kind: "subject",
      name: `subject ${subject}`,
      reason,
    }));
    const behind = this.#behind().flatMap((wanted): Condition[] => {
      const { subject } = wanted;
      const missing = this.#missing(wanted);
      if (missing.length > 0 && missing.every(isWaiting)) return [];
      const reason = this.#error ?? `slot ${missing.join(" and ")} is not in place`;
      return [{ kind: "subject", name: `subject ${subject}`, reason }];
    });
    return [...failed, ...behind];
  }

  #missing({ subject, ingress, egress }: SubjectSlots): number[] {
    const now = this.#inForce.get(subject);
    return [ingress, egress].filter((slot) => slot !== now?.ingress && slot !== now?.egress);
  }

  /** Packets of the subject's pods may have been allowed already. */
  #isJudged(subject: number): boolean {
    const now = this.#inForce.get(subject);
    return now !== undefined && (now.ingress !== unknownSlot || now.egress !== unknownSlot);
  }

  #behind(): SubjectSlots[] {
    return [...this.#wanted.values()].filter(
      (wanted) => !sameSlots(wanted, this.#inForce.get(wanted.subject)),
    );
  }

  #step(
    { subject, ingress, egress }: SubjectSlots,
    isReady: (slot: number) => boolean,
  ): SubjectSlots {
    const now = this.#inForce.get(subject);
    return {
      subject,
      ingress: isReady(ingress) ? ingress : (now?.ingress ?? unknownSlot),
      egress: isReady(egress) ? egress : (now?.egress ?? unknownSlot),
    };
  }

  #farewells(): SubjectSlots[] {
    return [...this.#gone].map((subject) => ({
      subject,
      ingress: unknownSlot,
      egress: unknownSlot,
    }));
  }

  #note(slots: SubjectSlots): void {
    if (this.#gone.delete(slots.subject)) this.#inForce.delete(slots.subject);
    else this.#inForce.set(slots.subject, slots);
  }
}

function sameSlots(a: SubjectSlots, b: SubjectSlots | undefined): boolean {
  return a.ingress === b?.ingress && a.egress === b.egress;
}
