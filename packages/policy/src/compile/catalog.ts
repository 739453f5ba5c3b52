// All that policy objects say, and which subjects each concerns. A change marks the subjects whose policy it may
// change, and no others.
import type { Labels } from "@tsilium/net";
import type {
  CidrGroup,
  Direction,
  Policy,
  PolicyRef,
  PolicyService,
  PolicySettings,
} from "../model.ts";
import { refKey } from "../model.ts";
import { SelectorIndex } from "./selector-index.ts";
import { compareSides, hasEffect, type SpecSide, SpecRecord } from "./spec-record.ts";

export class Catalog {
  readonly settings: PolicySettings;
  readonly cidrGroups = new Map<string, CidrGroup>();
  readonly services = new Map<string, PolicyService>();
  readonly #policies = new Map<string, readonly SpecRecord[]>();
  /** Subjects' labels against specs' selectors. */
  readonly #subjects = new SelectorIndex<SpecRecord>();
  readonly #referring = new Set<SpecRecord>();
  readonly #touched = new Set<number>();
  #referentsChanged = false;
  #lastSide = 0;

  constructor(settings: PolicySettings) {
    this.settings = settings;
  }

  setPolicy(policy: Policy): void {
    const key = refKey(policy.ref);
    const before = new Map(this.#policies.get(key)?.map((record) => [record.spec.path, record]));
    const records = policy.specs.map((_, index) => new SpecRecord(policy, index));
    this.#policies.set(key, records);
    for (const record of records) {
      const predecessor = before.get(record.spec.path);
      const isSame = predecessor !== undefined && record.inherit(predecessor);
      this.#add(record);
      if (isSame) before.delete(record.spec.path);
      if (predecessor && isSame) this.#drop(predecessor);
      else this.#touchSubjectsOf(record);
    }
    for (const record of before.values()) this.#remove(record);
  }

  deletePolicy(ref: PolicyRef): void {
    const key = refKey(ref);
    for (const record of this.#policies.get(key) ?? []) this.#remove(record);
    this.#policies.delete(key);
  }

  setCidrGroup(group: CidrGroup): void {
    this.cidrGroups.set(group.name, group);
    this.#referentsChanged = true;
  }

  deleteCidrGroup(name: string): void {
    if (this.cidrGroups.delete(name)) this.#referentsChanged = true;
  }

  setService(service: PolicyService): void {
    this.services.set(`${service.namespace}/${service.name}`, service);
    this.#referentsChanged = true;
  }

  deleteService(namespace: string, name: string): void {
    if (this.services.delete(`${namespace}/${name}`)) this.#referentsChanged = true;
  }

  setSubject(id: number, labels: Labels): void {
    this.#subjects.set(id, labels);
    this.#touched.add(id);
  }

  deleteSubject(id: number): void {
    this.#subjects.delete(id);
    this.#touched.add(id);
  }

  /** Subjects whose policy may have changed since the last call. */
  takeTouched(): Set<number> {
    if (this.#referentsChanged)
      for (const record of this.#referring) if (record.refresh(this)) this.#touchSubjectsOf(record);
    this.#referentsChanged = false;
    const touched = new Set(this.#touched);
    this.#touched.clear();
    return touched;
  }

  /** What selects such a subject and says something about the direction, in order of precedence. */
  sidesFor(labels: Labels, direction: Direction): SpecSide[] {
    const kind = labels.has("host", "reserved") ? "nodes" : "endpoints";
    const sides: SpecSide[] = [];
    for (const { users } of this.#subjects.matching(labels))
      for (const record of users)
        if (record.spec.subject.kind === kind) sides.push(record.side(direction, this));
    return sides.filter(hasEffect).sort(compareSides);
  }

  nextSide(): number {
    return ++this.#lastSide;
  }

  #add(record: SpecRecord): void {
    this.#subjects.acquire(record.subjects, record);
    if (record.refersToOthers) this.#referring.add(record);
  }

  #drop(record: SpecRecord): void {
    this.#subjects.release(record.subjects.key, record);
    this.#referring.delete(record);
  }

  #remove(record: SpecRecord): void {
    this.#touchSubjectsOf(record);
    this.#drop(record);
  }

  #touchSubjectsOf({ subjects }: SpecRecord): void {
    for (const id of this.#subjects.find(subjects)) this.#touched.add(id);
  }
}
