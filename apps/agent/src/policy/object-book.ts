// The objects of a kind that the worker was told of: which version of each counts, and what is wrong with the others.
import type { Problem } from "@tsilium/policy";
import type { ObjectChange, ObjectRef, ObjectReport } from "./model.ts";

/** What an object says of itself, understood or not. */
export type ObjectVersion = {
  readonly ref: ObjectRef;
  readonly uid: string;
  readonly generation: number;
};

export type Understanding =
  | { readonly ok: true; readonly warnings: readonly Problem[]; readonly rules?: number }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export class ObjectBook {
  readonly #reports = new Map<string, ObjectReport>();
  /** Since they were taken. */
  readonly #changes = new Map<string, ObjectChange>();
  #revision = 0;
  #invalid = 0;

  /** Grows with every object added, changed or removed. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#reports.size;
  }

  get invalid(): number {
    return this.#invalid;
  }

  /** Notes what an object was understood as. One that is not understood takes nothing back: the version before counts. */
  note({ ref, uid, generation }: ObjectVersion, understood: Understanding): void {
    const key = keyOf(ref);
    const before = this.#reports.get(key);
    if (before?.valid === false) this.#invalid--;
    if (!understood.ok) this.#invalid++;
    const revision = ++this.#revision;
    const rules = understood.ok ? (understood.rules ?? 0) : 0;
    this.#changes.set(key, { ref, revision, rules, gone: false });
    this.#reports.set(key, {
      ref,
      uid,
      generation,
      revision,
      valid: understood.ok,
      enforcedGeneration: understood.ok ? generation : before?.enforcedGeneration,
      problems: understood.ok ? [] : understood.problems,
      warnings: understood.ok ? understood.warnings : [],
    });
  }

  /** Whether the object under this name is another than the one that was noted. */
  isOther({ ref, uid }: ObjectVersion): boolean {
    const before = this.#reports.get(keyOf(ref));
    return before !== undefined && before.uid !== uid;
  }

  remove(ref: ObjectRef): void {
    const key = keyOf(ref);
    if (this.#reports.get(key)?.valid === false) this.#invalid--;
    if (!this.#reports.delete(key)) return;
    this.#changes.set(key, { ref, revision: ++this.#revision, rules: 0, gone: true });
  }

  /** What came, changed and went since this was asked last: the last of each object. */
  takeChanges(): ObjectChange[] {
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    return changes;
  }

  reports(): ObjectReport[] {
    return [...this.#reports.values()];
  }
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind}/${namespace}/${name}`;
}
