// identity -> class within a slot. Peers are of one class when they belong to the same parties, are looked at by
// address in the same way, and have the same ports for the names that their rules use. Class 0 is what an identity is
// that nothing but rules about everybody match; only identities of other classes are listed.
import type { ClassEntry, NamedPort } from "../model.ts";
import { SlotError } from "./errors.ts";
import { type Grouping, portName } from "./grouping.ts";
import type { KnownPeer, PeerSource } from "./peers.ts";
import type { SlotHeader } from "./slot-header.ts";
import { Sequences } from "./sequences.ts";

/** Which rules about addresses apply to a peer: none, those about whoever has one, or those about the outside too. */
export type AddressView = "none" | "any" | "all";

export type PeerClass = {
  readonly number: number;
  readonly parties: readonly number[];
  readonly view: AddressView;
  /** For the names that rules use. */
  readonly namedPorts: readonly NamedPort[];
};

/** Class numbers have 16 bits. */
const classLimit = 2 ** 16;
const views: readonly AddressView[] = ["none", "any", "all"];

export class PeerClasses {
  readonly #header: SlotHeader;
  readonly #grouping: Grouping;
  readonly #sequences = new Sequences();
  /** Texts of named ports by number. */
  readonly #named = new Map<
    string,
    { readonly id: number; readonly ports: readonly NamedPort[] }
  >();
  readonly #bySequence = new Map<number, PeerClass>();
  readonly #byIdentity = new Map<number, PeerClass>();
  readonly #default: PeerClass;

  constructor(header: SlotHeader, grouping: Grouping) {
    this.#header = header;
    this.#grouping = grouping;
    const view = header.looksAtAll ? "any" : "none";
    this.#default = { number: 0, parties: [], view, namedPorts: [] };
    this.#bySequence.set(Sequences.empty, this.#default);
  }

  get defaultView(): AddressView {
    return this.#default.view;
  }

  get(identity: number): PeerClass {
    return this.#byIdentity.get(identity) ?? this.#default;
  }

  all(): Iterable<PeerClass> {
    return this.#bySequence.values();
  }

  *entries(): Generator<ClassEntry, void> {
    for (const [identity, { number, view }] of this.#byIdentity)
      yield { identity, class: number, ignoresCidr: this.#ignoresCidr(view) };
  }

  entry(identity: number): ClassEntry | undefined {
    const found = this.#byIdentity.get(identity);
    return found && { identity, class: found.number, ignoresCidr: this.#ignoresCidr(found.view) };
  }

  /** Everybody there is, party by party: a step for each membership, none for who has none. */
  fill(source: PeerSource): void {
    const sequences = new Map<number, number>();
    for (const [party, { peers }] of this.#grouping.parties.entries())
      for (const selector of peers.selectors)
        for (const id of source.find(selector)) {
          const sequence = sequences.get(id) ?? Sequences.empty;
          if (this.#sequences.last(sequence) !== party)
            sequences.set(id, this.#sequences.append(sequence, party));
        }
    const special = this.#special(source);
    for (const id of special) if (!sequences.has(id)) sequences.set(id, Sequences.empty);
    for (const [id, sequence] of sequences) {
      const peer = special.has(id) ? source.get(id) : undefined;
      this.#assign(id, peer ? this.#finish(sequence, peer) : sequence);
    }
  }

  /** Adds a peer that belongs to these parties, in order. Answers the class if it is new. @throws SlotError too_many_classes */
  add(peer: KnownPeer, parties: readonly number[]): PeerClass | undefined {
    return this.#assign(peer.id, this.#sequenceOf(peer, parties));
  }

  /** Whether a peer that now belongs to these parties still is of the class that it was given. */
  holds(peer: KnownPeer, parties: readonly number[]): boolean {
    return this.#bySequence.get(this.#sequenceOf(peer, parties)) === this.get(peer.id);
  }

  /** Whether there was an entry. */
  delete(identity: number): boolean {
    return this.#byIdentity.delete(identity);
  }

  #sequenceOf(peer: KnownPeer, parties: readonly number[]): number {
    let sequence: number = Sequences.empty;
    for (const party of parties) sequence = this.#sequences.append(sequence, party);
    return this.#finish(sequence, peer);
  }

  /** Peers that more than parties may tell apart. */
  #special(source: PeerSource): ReadonlySet<number> {
    const special = new Set<number>();
    if (this.#header.looksAtExternal) for (const id of source.external) special.add(id);
    if (this.#grouping.names.all.size > 0) for (const id of source.withNamedPorts) special.add(id);
    return special;
  }

  /** After the parties: the view, where it is not the default's, and the named ports, where some matter. */
  #finish(parties: number, peer: KnownPeer): number {
    const afterParties = this.#grouping.parties.length;
    const view = peer.isExternal && this.#header.looksAtExternal ? "all" : this.defaultView;
    const sequence =
      view === this.defaultView
        ? parties
        : this.#sequences.append(parties, afterParties + views.indexOf(view));
    const ports = this.#relevantPorts(peer, parties, view);
    if (ports.length === 0) return sequence;
    return this.#sequences.append(sequence, afterParties + views.length + this.#numberOf(ports));
  }

  #relevantPorts({ namedPorts }: KnownPeer, parties: number, view: AddressView): NamedPort[] {
    const { names, parties: all } = this.#grouping;
    if (namedPorts.length === 0 || names.all.size === 0) return [];
    const own = this.#sequences.items(parties).map((party) => all[party]?.names);
    const relevant = [names.everybody, ...(view === "none" ? [] : [names.addresses]), ...own];
    return namedPorts.filter((port) => relevant.some((set) => set?.has(portName(port))));
  }

  #numberOf(ports: readonly NamedPort[]): number {
    const text = [...new Set(ports.map((port) => `${portName(port)}=${port.port}`))].sort().join();
    let named = this.#named.get(text);
    if (!named) this.#named.set(text, (named = { id: this.#named.size, ports }));
    return named.id;
  }

  #assign(identity: number, sequence: number): PeerClass | undefined {
    const known = this.#bySequence.get(sequence);
    if (known === this.#default) return undefined;
    const assigned = known ?? this.#create(sequence);
    this.#byIdentity.set(identity, assigned);
    return known ? undefined : assigned;
  }

  #create(sequence: number): PeerClass {
    const number = this.#bySequence.size;
    if (number >= classLimit)
      throw new SlotError(
        "too_many_classes",
        `more than ${classLimit} kinds of peers in one policy`,
      );
    const items = this.#sequences.items(sequence);
    const afterParties = this.#grouping.parties.length;
    const view = items.find((item) => item >= afterParties && item < afterParties + views.length);
    const named = items.find((item) => item >= afterParties + views.length);
    const created: PeerClass = {
      number,
      parties: items.filter((item) => item < afterParties),
      view: view === undefined ? this.defaultView : (views[view - afterParties] as AddressView),
      namedPorts: this.#portsOf(
        named === undefined ? undefined : named - afterParties - views.length,
      ),
    };
    this.#bySequence.set(sequence, created);
    return created;
  }

  #portsOf(id: number | undefined): readonly NamedPort[] {
    for (const named of this.#named.values()) if (named.id === id) return named.ports;
    return [];
  }

  #ignoresCidr(view: AddressView): boolean {
    return view === "none" && this.#header.looksAtExternal;
  }
}
