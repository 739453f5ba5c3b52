// The pinned maps: opened when they fit, created when they do not, and filled from what an earlier version left.
import { BpfMap, loadCollection } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";
import type { DatapathLog } from "../log.ts";
import { onlyMap } from "./map-specs.ts";
import type { DeclaredMap } from "./map-specs.ts";
import { copyEntries } from "./migrate.ts";
import type { MapPin, Pins } from "./pins.ts";

/** A map of an older layout, and the one that takes its place. */
type Predecessor = { readonly pin: MapPin; readonly successor: DeclaredMap };

export type MapSetOptions = {
  readonly pins: Pins;
  readonly log: DatapathLog;
  readonly present?: MapSet | undefined;
};

export class MapSet implements Disposable {
  readonly #pins: Pins;
  readonly #log: DatapathLog;
  readonly #maps = new Map<string, BpfMap>();
  /** Layout hashes of `#maps`. */
  readonly #hashes = new Map<string, string>();
  /** Opened by the set that this one is to take the place of, whose they still are. */
  readonly #borrowed = new Set<string>();
  /** Created by this run, and not pinned yet. */
  readonly #fresh = new Map<string, DeclaredMap>();
  /** Pinned by this run. */
  readonly #pinned: string[] = [];
  #predecessors: Predecessor[] = [];

  private constructor(pins: Pins, log: DatapathLog) {
    this.#pins = pins;
    this.#log = log;
  }

  /**
   * Opens every declared map that is pinned with its present layout and creates the others. Nothing that a running
   * datapath uses is touched yet, so that programs can be loaded, and rejected, first. Maps of `present`, the set that
   * this one is to take the place of, are used as they are where they fit.
   * @throws DatapathError map_open
   */
  static open(declared: readonly DeclaredMap[], options: MapSetOptions): MapSet {
    const set = new MapSet(options.pins, options.log);
    try {
      for (const map of declared) set.#openOne(map, options.present);
      return set;
    } catch (cause) {
      set[Symbol.dispose]();
      throw new DatapathError("map_open", "opening the maps", { cause });
    }
  }

  /** @throws DatapathError map_open for a name that no object declares */
  get(name: string): BpfMap {
    const map = this.#maps.get(name);
    if (map === undefined) throw new DatapathError("map_open", `no object declares a map ${name}`);
    return map;
  }

  /** All maps by name. */
  get all(): ReadonlyMap<string, BpfMap> {
    return this.#maps;
  }

  /**
   * Fills the new maps from those of an older layout and pins them. The old ones stay until `retirePredecessors`, since
   * the programs attached now still write to them.
   */
  inherit(): void {
    const empty = new Set(this.#fresh.keys());
    for (const { pin, successor } of this.#predecessors) {
      const isFresh = this.#fresh.has(successor.name);
      // A pin beside the right one is an upgrade that a crash cut short: the rest of it may still be to come.
      if (isFresh || mayBeBehind(successor))
        this.#copy(pin, successor, empty.delete(successor.name));
    }
    for (const { name, hash } of this.#fresh.values()) {
      const path = this.#pins.map(name, hash);
      this.get(name).pin(path);
      this.#pinned.push(path);
    }
    this.#fresh.clear();
  }

  /**
   * Brings over what the old programs wrote until they were replaced, then unpins the old maps, and those that no
   * object declares any more. To be called once every hook runs the new programs. Repeatable.
   */
  retirePredecessors(): void {
    for (const { pin, successor } of this.#predecessors) {
      if (mayBeBehind(successor)) this.#copy(pin, successor, false);
      BpfMap.unpin(pin.path);
    }
    this.#predecessors = [];
    for (const pin of this.#pins.listMaps()) if (!this.#maps.has(pin.map)) BpfMap.unpin(pin.path);
  }

  /** Unpins the maps that this run has made: none of its programs is to run. */
  discard(): void {
    for (const path of this.#pinned.splice(0)) BpfMap.unpin(path);
  }

  /** Lets the set that took this one's place have the maps they share, and closes the others. */
  handOverTo(successor: MapSet): void {
    for (const [name, map] of this.#maps) if (!successor.#borrowed.has(name)) map.close();
    this.#maps.clear();
    successor.#borrowed.clear();
  }

  [Symbol.dispose](): void {
    for (const [name, map] of this.#maps) if (!this.#borrowed.has(name)) map.close();
  }

  #openOne(declared: DeclaredMap, open: MapSet | undefined): void {
    const { name, hash } = declared;
    this.#hashes.set(name, hash);
    if (open !== undefined && open.#hashes.get(name) === hash) {
      this.#maps.set(name, open.get(name));
      this.#borrowed.add(name);
      return;
    }
    const pinned = this.#pins.listMaps().filter((pin) => pin.map === name);
    const present = pinned.find((pin) => pin.layoutHash === hash);
    if (present === undefined) this.#fresh.set(name, declared);
    this.#maps.set(
      name,
      present ? BpfMap.fromPinned(present.path) : loadCollection(onlyMap(declared)).map(name),
    );
    for (const pin of pinned)
      if (pin !== present) this.#predecessors.push({ pin, successor: declared });
  }

  #copy(pin: MapPin, successor: DeclaredMap, isFresh: boolean): void {
    using old = BpfMap.fromPinned(pin.path);
    const to = this.get(successor.name);
    const { copied, lost } = copyEntries(old, { to, layout: successor.layout, isFresh });
    const facts = { map: successor.name, from: pin.layoutHash, to: successor.hash, copied, lost };
    if (lost > 0) this.#log.warn(facts, "map migrated, some entries could not be kept");
    else this.#log.info(facts, "map migrated");
  }
}

/**
 * Whether the old map may have got entries since the first copy. What the agent writes it writes to one of the two; and
 * an array's slots always exist, so a second copy would overwrite what the new programs wrote.
 */
function mayBeBehind({ layout, writtenByAgent }: DeclaredMap): boolean {
  return !writtenByAgent && !layout.type.endsWith("array");
}
