// The policy engine: inputs in, the kernel's maps out. It has no thread and no clock; worker.ts runs it.
//
//   inputs, subjects --> world --> compiler --delta--> writer --> kernel
//                  |       \--> address rows --rows--/
//                  |--> listeners: rule sets to proxies, and their acknowledgements, which slots wait for
//                  \--> moves: connections that proxies have, and which rules hold for them now
//
// One call of `step` is a slice of work. Subjects go before everything else and are not kept waiting by policies that
// came before them: a pod is being added. Until "synced" nothing is written: the kernel goes on with what it holds.
import type { PolicyEnforcement } from "@tsilium/endpoint/model.ts";
import { type AddressChanges, type AddressRow, isSameRow } from "@tsilium/ipcache";
import type { Prefix } from "@tsilium/net";
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import type { Acknowledgement, WantedRules } from "../proxy/model.ts";
import type { ListenersFile } from "./listeners/listeners-file.ts";
import { Redirection } from "./listeners/redirection.ts";
import type { PolicyBatch } from "./inputs/model.ts";
import { Inbox } from "./inbox.ts";
import type { PolicyKernel } from "./kernel.ts";
import {
  type Condition,
  type PolicyNews,
  type PolicyWorkerSettings,
  type RoundReport,
  shownConditions,
  type StatusReport,
  type SubjectState,
  type WantedSubject,
} from "./model.ts";
import { remainsOf } from "./remains.ts";
import { allowSlot } from "./subject-switch.ts";
import { PolicyWorld } from "./world.ts";
import { KernelWriter } from "./writer.ts";

export type EngineOptions = {
  readonly kernel: PolicyKernel;
  readonly settings: PolicyWorkerSettings;
  readonly listenersFile: Pick<ListenersFile, "read" | "write">;
  /** Whether reports tell `news`. */
  readonly tellsNews?: boolean;
  /** Milliseconds from a fixed point on. */
  readonly now: () => number;
};

type SubjectRequest = { readonly id: number; readonly wanted: WantedSubject | undefined };

/** How long policies may be parsed before what was understood is compiled. */
const sliceMs = 10;
/** How often it is tried whether there are listeners for rule sets that have none. */
const listenersMs = 5_000;
const noChanges: AddressChanges = { addedSets: [], rows: [], removedRows: [], removedSets: [] };

export class PolicyEngine {
  readonly world: PolicyWorld;
  readonly #settings: PolicyWorkerSettings;
  readonly #tellsNews: boolean;
  readonly #now: () => number;
  readonly #writer: KernelWriter;
  readonly #redirection: Redirection;
  readonly #inbox = new Inbox();
  readonly #requests = new Map<number, SubjectRequest>();
  readonly #audited = new Map<number, boolean>();
  /** Subjects whose state nobody was told of. */
  readonly #changedSubjects = new Set<number>();
  /** Prefixes that rows are made for: what slots look at, old ones that are in force included. Replaced, not changed. */
  #prefixes: ReadonlyMap<string, Prefix>;
  /** Rows that the kernel holds from before, until it is known which of them still are. */
  #foundAddresses: readonly AddressRow[];
  #adopted = false;
  #hasNews = false;
  #cleanUpIsDue = false;
  /** In the kernel, nothing of it waits for a listener; but connections that proxies have may not follow it yet. */
  #written = 0;
  #applied = 0;
  #placed = 0;
  /** Nobody was told of it. */
  #round: RoundReport | undefined;
  /** The last rule that was told of. */
  #toldRule: number;
  /** Of `toFQDNs`; undefined: nobody was told of any. */
  #toldNames: readonly string[] | undefined;
  #names: readonly string[] = [];

  /** Reads what the kernel holds; changes nothing. */
  constructor({ kernel, settings, now, listenersFile, tellsNews = false }: EngineOptions) {
    const remains = remainsOf(kernel.survey());
    this.#redirection = new Redirection({ kernel, remains, file: listenersFile, now });
    const { listeners } = this.#redirection;
    this.#settings = settings;
    this.#now = now;
    this.#tellsNews = tellsNews;
    this.world = new PolicyWorld(settings, {
      firstRule: Math.max(remains.firstRule, listeners.largestRule + 1),
      firstSet: remains.firstSet,
      ports: listeners,
    });
    this.#toldRule = this.world.compiler.lastRule;
    this.#writer = new KernelWriter(kernel.maps, remains, (port) => listeners.isReady(port));
    this.#prefixes = remains.prefixes;
    this.world.addresses.setPrefixes(remains.prefixes);
    this.#foundAddresses = remains.addresses;
  }

  add(sequence: number, inputs: PolicyBatch): void {
    this.#inbox.add(sequence, inputs);
  }

  /** Has a subject's policy made and put in force, or, without `wanted`, removed. */
  request(id: number, wanted: WantedSubject | undefined): void {
    this.#requests.set(id, { id, wanted });
  }

  /** Told that no endpoint names a subject that was not requested: what is left of earlier agents may go. */
  adopt(): void {
    this.#adopted = true;
    this.#hasNews = true;
  }

  /** Told that rows of endpoints name other subjects than before. */
  moveEndpoints(sequence: number): void {
    this.#inbox.add(sequence, []);
    this.#redirection.moveEndpoints();
    this.#hasNews = true;
  }

  /** Has what failed tried again. */
  retry(): void {
    this.#hasNews = true;
  }

  /** Told what became of listeners. */
  acknowledge(acks: readonly Acknowledgement[]): void {
    this.#redirection.acknowledge(acks);
    this.#hasNews = true;
  }

  /** Told that proxies follow the connections of that number. */
  acknowledgeMoved(number: number): void {
    this.#redirection.acknowledgeMoved(number);
    this.#hasNews = true;
  }

  /** What proxies are to enforce now and did not before; undefined: nothing. */
  takeListeners(): WantedRules | undefined {
    return this.world.isSynced ? this.#redirection.takeUpdate() : undefined;
  }

  /** Connections that are held to other rules now, each told once. */
  takeMoved(): { readonly number: number; readonly connections: readonly MovedConnection[] }[] {
    return this.#redirection.takeMoved();
  }

  /** Names and patterns of `toFQDNs`, if they are others than those that were told. */
  takeFqdnSelectors(): readonly string[] | undefined {
    if (!this.world.isSynced || this.#names === this.#toldNames) return undefined;
    this.#toldNames = this.#names;
    return this.#names;
  }

  /** Milliseconds until something is not waited for any longer; undefined: nothing is waited for. */
  get waitMs(): number | undefined {
    const waits = [this.#redirection.waitMs, this.#listenersMs].filter((ms) => ms !== undefined);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** Nobody tells when the last connection of a port ends. */
  get #listenersMs(): number | undefined {
    return this.world.compiler.missingListeners().length > 0 ? listenersMs : undefined;
  }

  /** Has every address row written again, whatever somebody else did to it meanwhile. */
  refresh(): void {
    if (!this.world.isSynced) return;
    this.#writer.acceptAddresses({ ...noChanges, rows: [...this.world.addresses.rows()] });
    this.#hasNews = true;
  }

  /** There is something to do, by another call of `step`. */
  get isBusy(): boolean {
    return this.#hasWork || this.#cleanUpIsDue;
  }

  /** Something could not be written and should be tried again. */
  get isFailing(): boolean {
    return this.world.isSynced && !this.#writer.isDone && !this.#writer.isOnlyWaiting;
  }

  /** One slice of work. */
  step(): void {
    const startedAt = this.#now();
    // Of the step before: by now somebody was told that what is new is in force.
    if (this.#cleanUpIsDue) this.#cleanUp();
    if (!this.#hasWork) return;
    this.#takeIn();
    if (!this.world.isSynced) return;
    const compileMs = this.#compile();
    const writeStartedAt = this.#now();
    this.#redirection.listeners.save();
    this.#write();
    this.#cleanUpIsDue = true;
    const endedAt = this.#now();
    if (!this.#redirection.listeners.isWaiting) this.#written = this.#inbox.taken;
    this.#noteNames();
    this.#placed = this.#inbox.urgentTaken;
    this.#round = {
      durationMs: endedAt - startedAt,
      compileMs,
      writeMs: endedAt - writeStartedAt,
      failed: this.isFailing,
    };
  }

  /** Everything that the kernel should hold and does not. */
  conditions(): Condition[] {
    const missing = this.world.compiler.missingListeners();
    return [...this.#redirection.conditions(missing), ...this.#writer.conditions()];
  }

  /** How things are. Subjects that changed are told once. */
  report(): StatusReport {
    const conditions = this.conditions();
    const { policies } = this.world;
    this.#applied = Math.max(this.#applied, this.#redirection.followed(this.#written));
    const subjects = [...this.#changedSubjects].flatMap((id) => this.#stateOf(id) ?? []);
    // One that is not in force yet may come to be so without a write: an earlier agent's of its number may be just alike.
    for (const { id } of subjects) this.#changedSubjects.delete(id);
    const round = this.#round;
    this.#round = undefined;
    return {
      synced: this.world.isSynced,
      applied: this.#applied,
      placed: this.#placed,
      revision: policies.revision,
      policies: policies.size,
      invalidPolicies: policies.invalid,
      identities: this.world.identityCount,
      slots: this.#writer.slotCount,
      subjectCount: this.#audited.size,
      subjects,
      conditions: conditions.slice(0, shownConditions),
      conditionCount: conditions.length,
      usage: this.#writer.usage(),
      round,
      adopting: this.#writer.isAdopting,
      news: this.#takeNews(),
    };
  }

  #takeNews(): PolicyNews | undefined {
    const { compiler, policies: book } = this.world;
    const policies = book.takeChanges();
    if (!this.#tellsNews) return undefined;
    const first = this.#toldRule + 1;
    this.#toldRule = compiler.lastRule;
    const rules = Array.from({ length: this.#toldRule - first + 1 }, (_, at) => {
      const name = compiler.ruleName(first + at);
      return name ? [{ number: first + at, name }] : [];
    }).flat();
    return rules.length + policies.length > 0 ? { rules, policies } : undefined;
  }

  get #hasWork(): boolean {
    return this.#requests.size > 0 || !this.#inbox.isEmpty || this.#hasNews;
  }

  /** Works in what waits: subjects and what they need first, then, unless there were any, policies for a while. */
  #takeIn(): void {
    const startedAt = this.#now();
    const urgentOnly = this.#requests.size > 0 && this.world.isSynced;
    for (const request of this.#requests.values()) this.#takeRequest(request);
    this.#requests.clear();
    for (const input of this.#inbox.takeUrgent()) this.world.apply(input);
    this.#hasNews = false;
    if (urgentOnly) return;
    for (const input of this.#inbox.takePatient()) {
      this.world.apply(input);
      if (this.#now() - startedAt > sliceMs) break;
    }
  }

  #takeRequest({ id, wanted }: SubjectRequest): void {
    if (wanted) {
      this.world.setSubject(id, wanted);
      this.#audited.set(id, wanted.audit);
      this.#changedSubjects.add(id);
    } else {
      this.world.deleteSubject(id);
      this.#audited.delete(id);
      this.#changedSubjects.delete(id);
    }
  }

  /** Hands on what the compiler and the addresses make of it; answers how long that took. */
  #compile(): number {
    const startedAt = this.#now();
    const { compiler } = this.world;
    if (this.#adopted) this.#writer.dismissStrangers();
    this.#writer.accept(compiler.commit(), this.#prefixes);
    // Slots that are being replaced go on looking at their prefixes until they are.
    const wanted = compiler.prefixes();
    if (wanted.keys().some((text: string) => !this.#prefixes.has(text)))
      this.#setPrefixes(new Map([...this.#prefixes, ...wanted]));
    this.#place();
    this.#compareFoundAddresses();
    return this.#now() - startedAt;
  }

  /** Removes what is not in force any more, and what only that looked at. */
  #cleanUp(): void {
    const { compiler } = this.world;
    this.#cleanUpIsDue = false;
    let madeRoom = this.#writer.cleanUp();
    const wanted = compiler.prefixes();
    if (wanted.size < this.#prefixes.size && !this.#writer.hasOldSlotsInForce) {
      this.#setPrefixes(new Map(wanted));
      this.#place();
      this.#write();
      madeRoom = true;
    }
    for (const set of this.#writer.dropIdleSets()) compiler.deleteCidrSet(set);
    if (this.#writer.isAdopting) this.#prune();
    this.#redirection.sweep(() => this.#writer.proxyPorts());
    // What had no room, or no listener, may have it now.
    if ((madeRoom && !this.#writer.isDone) || compiler.hasListenersForMore) this.#hasNews = true;
  }

  #write(): void {
    const written = this.#writer.write();
    this.#tellOf(written.switched);
    const view = { world: this.world, writer: this.#writer };
    this.#redirection.review(written, view, this.#written);
  }

  /** Names that only slots look for which are being replaced stay known until these are not in force any more. */
  #noteNames(): void {
    const wanted = this.world.compiler.fqdnSelectors();
    if (wanted === this.#names) return;
    const names = this.#writer.hasSwitched
      ? wanted
      : [...new Set([...wanted, ...this.#names])].sort();
    if (this.#toldNames && names.join() === this.#names.join()) return;
    this.#names = names;
  }

  #setPrefixes(prefixes: ReadonlyMap<string, Prefix>): void {
    this.#prefixes = prefixes;
    this.world.addresses.setPrefixes(prefixes);
  }

  /** Hands on rows that differ, and has every slot tell their cidr sets apart. */
  #place(): void {
    const { compiler, addresses } = this.world;
    const changes = addresses.commit();
    for (const { id, prefixes } of changes.addedSets) compiler.setCidrSet(id, prefixes);
    if (changes.addedSets.length > 0) {
      this.#writer.acceptSets(changes.addedSets);
      this.#writer.accept(compiler.commit(), this.#prefixes);
    }
    this.#writer.acceptAddresses(changes);
  }

  /**
   * Removes rows from before whose addresses nobody has any more: they could not be told from others' otherwise. Those that
   * are right need not be written.
   */
  #compareFoundAddresses(): void {
    for (const found of this.#foundAddresses) {
      const row = this.world.addresses.rowAt(found.prefix);
      if (!row) this.#writer.removeAddress(found.prefix);
      else if (isSameRow(row, found)) this.#writer.foundAddress(row);
    }
    this.#foundAddresses = [];
  }

  /**
   * Removes what earlier agents left: when nobody is held to it any more; before, what of it nobody is held to, if
   * there is no room for what is new.
   */
  #prune(): void {
    const isOver = this.#adopted && this.#writer.hasSwitched;
    if (isOver || !this.#writer.isDone) this.#writer.prune();
  }

  #tellOf(subjects: readonly number[]): void {
    for (const subject of subjects)
      if (this.#audited.has(subject)) this.#changedSubjects.add(subject);
  }

  /** undefined: not in force yet. */
  #stateOf(id: number): SubjectState | undefined {
    const slots = this.#writer.settledSlots(id);
    if (!slots) return undefined;
    const audit = this.#settings.audit || this.#audited.get(id) === true;
    const stateOf = (slot: number): PolicyEnforcement =>
      slot === allowSlot ? "disabled" : audit ? "audit" : "enforcing";
    return { id, ingress: stateOf(slots.ingress), egress: stateOf(slots.egress) };
  }
}
