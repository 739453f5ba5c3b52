// Policy in the kernel, and the addresses it looks at: the maps of docs/decisions/0006, written in the order that it
// gives. For the policy worker, which opens the pinned maps by path; the main thread runs the programs.
//
// Nothing here retries or remembers: a call that throws may have written a part, and every call can be repeated.
import { BpfMap, TypedMap } from "@tsilium/ebpf";
import type { Prefix } from "@tsilium/net";
import { DatapathError } from "../errors.ts";
import {
  mapCodecs,
  type KnownIdentity,
  type Policy,
  type PolicyClass,
  type PolicyClassKey,
  type PolicyRule,
  type PolicyRuleKey,
  type PolicySubject,
} from "../gen/abi.ts";
import type {
  CidrClassEntry,
  ClassEntry,
  CompiledSlot,
  ConntrackEntry,
  IpcacheEntry,
  RuleEntry,
  SubjectSlots,
} from "../model.ts";
import { Pins } from "../pinned/pins.ts";
import { Conntrack } from "../tables/conntrack.ts";
import { IpcacheMap } from "../tables/ipcache.ts";
import { RuntimeSwitch } from "../tables/runtime.ts";
import { cidrClassRow, classRow, headerRow, ruleKey, ruleRow } from "./rows.ts";
import { surveyPolicy, type PolicySurvey } from "./survey.ts";

/** The maps that policy is made of. */
export type PolicyTables = {
  readonly subjects: TypedMap<number, PolicySubject>;
  readonly policies: TypedMap<number, Policy>;
  readonly classes: TypedMap<PolicyClassKey, PolicyClass>;
  readonly rules: TypedMap<PolicyRuleKey, PolicyRule>;
  readonly identities: TypedMap<number, KnownIdentity>;
};

/** What is to stay: everything else in the maps, but addresses, is from an earlier agent. */
export type PolicyKeep = {
  readonly slots: ReadonlySet<number>;
  readonly subjects: ReadonlySet<number>;
  readonly identities: ReadonlySet<number>;
};

/** A slot of one header for those it refers to by number. */
type SlotDefaults = Pick<CompiledSlot, "slot" | "otherwise">;

export class PolicyMaps implements Disposable {
  readonly #tables: PolicyTables;
  readonly #ipcache: IpcacheMap;
  readonly #runtime: RuntimeSwitch;
  readonly #conntrack: Conntrack;
  readonly #opened: readonly BpfMap[];
  readonly #limits: Readonly<Record<string, number>>;

  private constructor(opened: ReadonlyMap<string, BpfMap>) {
    const map = (name: string) => opened.get(name) as BpfMap;
    this.#opened = [...opened.values()];
    this.#limits = Object.fromEntries(
      Array.from(opened, ([name, { maxEntries }]) => [name, maxEntries]),
    );
    this.#tables = {
      subjects: new TypedMap(map("tsi_policy_subject"), mapCodecs.tsi_policy_subject),
      policies: new TypedMap(map("tsi_policy"), mapCodecs.tsi_policy),
      classes: new TypedMap(map("tsi_policy_class"), mapCodecs.tsi_policy_class),
      rules: new TypedMap(map("tsi_policy_rule"), mapCodecs.tsi_policy_rule),
      identities: new TypedMap(map("tsi_identities"), mapCodecs.tsi_identities),
    };
    // The worker moves the epoch once per round, not per write.
    this.#ipcache = new IpcacheMap({
      map: new TypedMap(map("tsi_ipcache"), mapCodecs.tsi_ipcache),
      bumpEpoch: () => {},
    });
    this.#runtime = new RuntimeSwitch(map("tsi_runtime"));
    const pick = (names: readonly string[]) => names.flatMap((name) => opened.get(name) ?? []);
    this.#conntrack = new Conntrack({
      ipv4: pick(["tsi_ct4_new", "tsi_ct4"]),
      ipv6: pick(["tsi_ct6_new", "tsi_ct6"]),
    });
  }

  /** Opens the maps that a running datapath has pinned. @throws DatapathError not_running, map_open */
  static open({ bpffs }: { readonly bpffs: string }): PolicyMaps {
    const pins = new Pins(bpffs).listMaps();
    const opened = new Map<string, BpfMap>();
    for (const name of mapNames) {
      const pin = pins.find(({ map }) => map === name);
      if (pin === undefined) {
        for (const map of opened.values()) map.close();
        throw new DatapathError("not_running", `no map ${name} is pinned under ${bpffs}`);
      }
      opened.set(name, BpfMap.fromPinned(pin.path));
    }
    return PolicyMaps.of(opened);
  }

  /** On maps that are open already and become this object's to close, by name. */
  static of(maps: ReadonlyMap<string, BpfMap>): PolicyMaps {
    return new PolicyMaps(maps);
  }

  /**
   * Writes a slot that no subject refers to yet, its header last.
   * @throws BpfError E2BIG when a table is full: `removeSlot` takes away what was written
   */
  writeSlot(slot: CompiledSlot): void {
    this.addRules(slot, slot.rules);
    this.addClasses(slot.slot, slot.classes);
    this.addCidrClasses(slot.slot, slot.cidrClasses);
    this.#tables.policies.update(slot.slot, headerRow(slot));
  }

  /** Adds to a live slot, before the class entries that lead there. @throws BpfError E2BIG */
  addRules({ slot, otherwise }: SlotDefaults, entries: readonly RuleEntry[]): void {
    this.#tables.rules.updateMany(entries.map((entry) => ruleRow(slot, entry, otherwise.rule)));
  }

  /** @throws BpfError E2BIG */
  addClasses(slot: number, entries: readonly ClassEntry[]): void {
    this.#tables.classes.updateMany(entries.map((entry) => classRow(slot, entry)));
  }

  /** @throws BpfError E2BIG */
  addCidrClasses(slot: number, entries: readonly CidrClassEntry[]): void {
    this.#tables.classes.updateMany(entries.map((entry) => cidrClassRow(slot, entry)));
  }

  /** Port prefix lengths that a live slot's rules have by now. Before the rules that need them. */
  setHeader(slot: CompiledSlot): void {
    this.#tables.policies.update(slot.slot, headerRow(slot));
  }

  removeClasses(slot: number, identities: readonly number[]): void {
    this.#tables.classes.deleteMany(identities.map((peer) => ({ slot, peer })));
  }

  removeCidrClasses(slot: number, cidrSets: readonly number[]): void {
    const cidrSlot = (slot | cidrBit) >>> 0;
    this.#tables.classes.deleteMany(cidrSets.map((peer) => ({ slot: cidrSlot, peer })));
  }

  /** Identities whose class entries are all written. @throws BpfError E2BIG */
  setKnown(identities: readonly number[]): void {
    this.#tables.identities.updateMany(identities.map((identity) => [identity, {}] as const));
  }

  forget(identities: readonly number[]): void {
    this.#tables.identities.deleteMany(identities);
  }

  /**
   * Writes address rows. Answers whether some address has another identity, owner, place or cidr-set than it had: then
   * the epoch must move. @throws BpfError ENOSPC
   */
  writeAddresses(entries: readonly IpcacheEntry[]): boolean {
    return this.#ipcache.upsertMany(entries);
  }

  /** Answers whether there was any: then the epoch must move. */
  deleteAddresses(prefixes: readonly Prefix[]): boolean {
    return this.#ipcache.deleteMany(prefixes);
  }

  /** The switch. Each subject's is one plain write that cannot fail for want of room. */
  setSubjects(subjects: readonly SubjectSlots[]): void {
    this.#tables.subjects.updateMany(
      subjects.map(({ subject, ingress, egress }) => [subject, { ingress, egress }] as const),
    );
  }

  /** Makes everything that subjects hold dropped (203) until they are set again. For numbers no endpoint has. */
  removeSubjects(subjects: readonly number[]): void {
    this.setSubjects(subjects.map((subject) => ({ subject, ingress: 0, egress: 0 })));
  }

  /** Takes away the entries of a slot that no subject refers to. */
  removeSlot(slot: Pick<CompiledSlot, "slot" | "classes" | "cidrClasses" | "rules">): void {
    const { rules, classes, policies } = this.#tables;
    classes.deleteMany([
      ...slot.classes.map((entry) => classRow(slot.slot, entry)[0]),
      ...slot.cidrClasses.map((entry) => cidrClassRow(slot.slot, entry)[0]),
    ]);
    rules.deleteMany(slot.rules.map((entry) => ruleKey(slot.slot, entry)));
    policies.update(slot.slot, emptyHeader);
  }

  /** After all writes of a round: every connection's next packet is decided again. */
  bumpEpoch(): void {
    this.#runtime.bumpEpoch();
  }

  /** How many entries each map takes, by its name. */
  limits(): Readonly<Record<string, number>> {
    return this.#limits;
  }

  /** Connections that proxies of this node have accepted. Walks the tables of connections, large as they may be. */
  listProxied(): ConntrackEntry[] {
    return this.#conntrack.listProxied();
  }

  /** What the kernel holds of an earlier agent, so that this one's numbers stay clear of it. */
  survey(): PolicySurvey {
    return surveyPolicy(this.#tables, this.#ipcache);
  }

  /** Removes what is not to be kept; no addresses. To be called when every local endpoint has one of the subjects that are. */
  prune(keep: PolicyKeep): void {
    const { subjects, classes, rules, identities } = this.#tables;
    const strangers = Array.from(subjects.entries(), ([subject, row]) => ({ subject, ...row }))
      .filter(({ ingress, egress }) => ingress !== 0 || egress !== 0)
      .filter(({ subject }) => !keep.subjects.has(subject));
    this.removeSubjects(strangers.map(({ subject }) => subject));
    classes.deleteMany(
      keysOf(classes).filter(({ slot }) => !keep.slots.has((slot & ~cidrBit) >>> 0)),
    );
    rules.deleteMany(keysOf(rules).filter(({ slot }) => !keep.slots.has(slot)));
    identities.deleteMany(keysOf(identities).filter((identity) => !keep.identities.has(identity)));
  }

  [Symbol.dispose](): void {
    this.#runtime[Symbol.dispose]();
    for (const map of this.#opened) map.close();
  }
}

const mapNames = [
  "tsi_policy_subject",
  "tsi_policy",
  "tsi_policy_class",
  "tsi_policy_rule",
  "tsi_identities",
  "tsi_ipcache",
  "tsi_runtime",
  "tsi_ct4",
  "tsi_ct4_new",
  "tsi_ct6",
  "tsi_ct6_new",
] as const;

const cidrBit = 0x8000_0000;

const emptyHeader: Policy = {
  portLengths: 0,
  defaultRule: 0,
  flags: 0,
  defaultVerdict: 0,
  defaultResponse: 0,
};

function keysOf<K, V>(map: TypedMap<K, V>): K[] {
  return Array.from(map.entries(), ([key]) => key);
}
