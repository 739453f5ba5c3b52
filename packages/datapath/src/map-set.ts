// The pinned maps: opened when they fit, created when they do not, and filled from what an earlier version left.
import { BpfMap, loadCollection } from "@tsilium/ebpf";
import { DatapathError } from "./errors.ts";
import type { DatapathLog } from "./log.ts";
import { onlyMap } from "./map-specs.ts";
import type { DeclaredMap } from "./map-specs.ts";
import { copyEntries } from "./migrate.ts";
import type { MapPin, Pins } from "./pins.ts";

/** A map of an older layout whose entries still have to be carried over a last time. */
type Predecessor = { readonly pin: MapPin; readonly successor: DeclaredMap };

export class MapSet implements Disposable {
  readonly #pins: Pins;
  readonly #log: DatapathLog;
  readonly #maps = new Map<string, BpfMap>();
  #predecessors: Predecessor[] = [];

  private constructor(pins: Pins, log: DatapathLog) {
    this.#pins = pins;
    this.#log = log;
  }

  /**
   * Opens or creates and pins every declared map. Maps of another layout are copied but stay until
   * `retirePredecessors`, since the programs attached now still write to them.
   * @throws DatapathError map_open
   */
  static open(declared: readonly DeclaredMap[], options: { pins: Pins; log: DatapathLog }): MapSet {
    const set = new MapSet(options.pins, options.log);
    try {
      for (const map of declared) set.#openOne(map);
    } catch (cause) {
      set[Symbol.dispose]();
      throw cause instanceof DatapathError
        ? cause
        : new DatapathError("map_open", "opening the maps", { cause });
    }
    return set;
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
   * Brings over what the old programs wrote until they were replaced, then unpins the old maps, and those that no
   * object declares any more. To be called once every hook runs the new programs. Repeatable.
   */
  retirePredecessors(): void {
    for (const { pin, successor } of this.#predecessors) {
      if (!successor.layout.type.endsWith("array")) this.#copy(pin, successor);
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
    const path = this.#pins.map(name, hash);
    const pinned = this.#pins.listMaps().filter((pin) => pin.map === name);
    const exists = pinned.some((pin) => pin.layoutHash === hash);
    const map = exists ? BpfMap.fromPinned(path) : loadCollection(onlyMap(declared)).map(name);
    this.#maps.set(name, map);
    for (const pin of pinned.filter((other) => other.layoutHash !== hash)) {
      // A pin beside the right one is an upgrade that a crash cut short: an array's copy is done already.
      if (!exists || !declared.layout.type.endsWith("array")) this.#copy(pin, declared);
      this.#predecessors.push({ pin, successor: declared });
    }
    if (!exists) map.pin(path);
  }

  #copy(pin: MapPin, successor: DeclaredMap): void {
    using old = BpfMap.fromPinned(pin.path);
    const { copied, lost } = copyEntries(old, this.get(successor.name), successor.layout);
    this.#log.info(
      { map: successor.name, from: pin.layoutHash, to: successor.hash, copied, lost },
      "map migrated",
    );
  }
}
