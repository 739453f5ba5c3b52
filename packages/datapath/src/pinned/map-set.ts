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

export class MapSet implements Disposable {
  readonly #pins: Pins;
  readonly #log: DatapathLog;
  readonly #maps = new Map<string, BpfMap>();
  /** Created by this run, and not pinned yet. */
  readonly #fresh = new Map<string, DeclaredMap>();
  #predecessors: Predecessor[] = [];

  private constructor(pins: Pins, log: DatapathLog) {
    this.#pins = pins;
    this.#log = log;
  }

  /**
   * Opens every declared map that is pinned with its present layout and creates the others. Nothing that a running
   * datapath uses is touched yet, so that programs can be loaded, and rejected, first.
   * @throws DatapathError map_open
   */
  static open(declared: readonly DeclaredMap[], options: { pins: Pins; log: DatapathLog }): MapSet {
    const set = new MapSet(options.pins, options.log);
    try {
      for (const map of declared) set.#openOne(map);
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
    for (const { pin, successor } of this.#predecessors) {
      // A pin beside the right one is an upgrade that a crash cut short: an array's copy is done already.
      if (this.#fresh.has(successor.name) || !isArray(successor)) this.#copy(pin, successor);
    }
    for (const { name, hash } of this.#fresh.values())
      this.get(name).pin(this.#pins.map(name, hash));
    this.#fresh.clear();
  }

  /**
   * Brings over what the old programs wrote until they were replaced, then unpins the old maps, and those that no
   * object declares any more. To be called once every hook runs the new programs. Repeatable.
   */
  retirePredecessors(): void {
    for (const { pin, successor } of this.#predecessors) {
      if (!isArray(successor)) this.#copy(pin, successor);
      BpfMap.unpin(pin.path);
    }
    this.#predecessors = [];
    for (const pin of this.#pins.listMaps()) if (!this.#maps.has(pin.map)) BpfMap.unpin(pin.path);
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps.values()) map.close();
  }

  #openOne(declared: DeclaredMap): void {
    const { name, hash } = declared;
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

  #copy(pin: MapPin, successor: DeclaredMap): void {
    using old = BpfMap.fromPinned(pin.path);
    const { copied, lost } = copyEntries(old, this.get(successor.name), successor.layout);
    const facts = { map: successor.name, from: pin.layoutHash, to: successor.hash, copied, lost };
    if (lost > 0) this.#log.warn(facts, "map migrated, some entries could not be kept");
    else this.#log.info(facts, "map migrated");
  }
}

/** An array's slots always exist, so a second copy would overwrite what the new programs wrote. */
function isArray({ layout }: DeclaredMap): boolean {
  return layout.type.endsWith("array");
}
