// From specification to kernel: types, then maps, then what they start with, then programs. Either all of it
// is loaded or nothing stays open.
import { close } from "@tsilium/syscall";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ObjectError } from "../errors.ts";
import { isMapOfMaps, type MapType } from "../map-types.ts";
import type { CollectionSpec } from "../object/collection-spec.ts";
import type { MapSpec } from "../object/model.ts";
import { loadBtf } from "./load-btf.ts";
import { loadProgram, type LogLevel } from "./load-program.ts";
import { BpfMap } from "./map.ts";
import type { Program } from "./program.ts";

export type LoadOptions = {
  /** Maps that already exist, by name: used in place of creating one. They stay the caller's to close. */
  readonly maps?: Readonly<Record<string, BpfMap>>;
  /** Load only these programs, and only the maps that they use. */
  readonly programs?: readonly string[];
  /** Folder in a bpffs for maps declared with LIBBPF_PIN_BY_NAME: reused when there, pinned when new. */
  readonly pinPath?: string;
  /** Above 0 the verifier's log of each program is kept in `logs`, also when it accepts. */
  readonly logLevel?: LogLevel;
};

/** Loaded maps and programs by name. Disposing of it closes what it created, not the replacements. */
export class Collection implements Disposable {
  readonly maps: Readonly<Record<string, BpfMap>>;
  readonly programs: Readonly<Record<string, Program>>;
  /** Verifier logs by program, when asked for. */
  readonly logs: Readonly<Record<string, string>>;
  readonly #owned: readonly Disposable[];

  constructor(parts: Pick<Collection, "maps" | "programs" | "logs">, owned: readonly Disposable[]) {
    this.maps = parts.maps;
    this.programs = parts.programs;
    this.logs = parts.logs;
    this.#owned = owned;
  }

  /** The map of this name. @throws ObjectError symbol_missing */
  map(name: string): BpfMap {
    return this.maps[name] ?? missing("map", name);
  }

  /** The program of this name. @throws ObjectError symbol_missing */
  program(name: string): Program {
    return this.programs[name] ?? missing("program", name);
  }

  [Symbol.dispose](): void {
    for (const object of this.#owned) object[Symbol.dispose]();
  }
}

function missing(kind: string, name: string): never {
  throw new ObjectError("symbol_missing", `no ${kind} named ${name} was loaded`);
}

/**
 * Loads an object's maps and programs.
 * @throws VerifierError, BpfError, ObjectError map_invalid when a replacement has another shape.
 */
export function loadCollection(spec: CollectionSpec, options: LoadOptions = {}): Collection {
  using loader = new Loader(spec, options);
  return loader.load();
}

class Loader implements Disposable {
  readonly #spec: CollectionSpec;
  readonly #options: LoadOptions;
  readonly #maps: Record<string, BpfMap> = {};
  readonly #programs: Record<string, Program> = {};
  readonly #logs: Record<string, string> = {};
  /** Closed again unless loading succeeds. */
  #owned: Disposable[] = [];
  #btfFd = 0;

  constructor(spec: CollectionSpec, options: LoadOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  load(): Collection {
    this.#btfFd = loadBtf(this.#spec.kernelBtf);
    const programs = this.#wantedPrograms();
    for (const name of this.#wantedMaps(programs)) this.#openMap(this.#spec.maps[name] as MapSpec);
    for (const name of Object.keys(this.#maps)) this.#fillMaps(name);
    for (const name of programs) this.#loadProgram(name);
    for (const name of Object.keys(this.#maps)) this.#fillPrograms(name);
    const owned = this.#owned;
    this.#owned = [];
    return new Collection({ maps: this.#maps, programs: this.#programs, logs: this.#logs }, owned);
  }

  [Symbol.dispose](): void {
    for (const object of this.#owned) object[Symbol.dispose]();
    if (this.#btfFd > 0) close(this.#btfFd);
  }

  #wantedPrograms(): string[] {
    const wanted = this.#options.programs ?? Object.keys(this.#spec.programs);
    for (const name of wanted) if (!this.#spec.programs[name]) missing("program", name);
    return [...wanted];
  }

  /** All maps, or those that the chosen programs refer to and the maps these start with. */
  #wantedMaps(programs: readonly string[]): string[] {
    if (!this.#options.programs) return Object.keys(this.#spec.maps);
    const wanted = new Set(
      programs.flatMap((name) => this.#spec.programs[name]?.references.map(({ map }) => map) ?? []),
    );
    for (const name of wanted)
      for (const content of this.#spec.maps[name]?.contents ?? [])
        if (content.kind === "map") wanted.add(content.name);
    return [...wanted];
  }

  #openMap(spec: MapSpec): void {
    const replacement = this.#options.maps?.[spec.name];
    if (replacement) {
      checkShape(spec, replacement);
      this.#maps[spec.name] = replacement;
      return;
    }
    const pin = this.#pinOf(spec);
    const map = pin && existsSync(pin) ? BpfMap.fromPinned(pin) : createMap(spec, this.#btfFd);
    this.#owned.push(map);
    checkShape(spec, map);
    if (pin && !existsSync(pin)) map.pin(pin);
    this.#maps[spec.name] = map;
  }

  #pinOf(spec: MapSpec): string | undefined {
    const { pinPath } = this.#options;
    return spec.pinByName && pinPath ? join(pinPath, spec.name) : undefined;
  }

  /** Puts contents of data sections and initial inner maps in place, then freezes constants. */
  #fillMaps(name: string): void {
    const spec = this.#spec.maps[name] as MapSpec;
    if (this.#options.maps?.[name]) return;
    const map = this.#maps[name] as BpfMap;
    if (spec.data) map.update(indexKey(0), spec.data);
    if (spec.constant) map.freeze();
    for (const content of spec.contents)
      if (content.kind === "map")
        map.updateObject(
          indexKey(content.index),
          this.#maps[content.name] ?? missing("map", content.name),
        );
  }

  #loadProgram(name: string): void {
    const spec = this.#spec.programs[name];
    if (!spec) missing("program", name);
    const descriptor = (map: string) => (this.#maps[map] ?? missing("map", map)).fd;
    const { program, log } = loadProgram(spec, descriptor, {
      btfFd: this.#btfFd,
      logLevel: this.#options.logLevel ?? 0,
    });
    this.#owned.push(program);
    this.#programs[name] = program;
    if (log !== "") this.#logs[name] = log;
  }

  /** Program arrays start with programs that were loaded along with them. */
  #fillPrograms(name: string): void {
    for (const content of this.#spec.maps[name]?.contents ?? []) {
      const program = this.#programs[content.name];
      if (content.kind === "program" && program)
        this.#maps[name]?.updateObject(indexKey(content.index), program);
    }
  }
}

/** Kinds of maps whose keys and values the kernel lets BTF describe. */
const described: ReadonlySet<MapType> = new Set<MapType>([
  "hash",
  "array",
  "percpu_hash",
  "percpu_array",
  "lru_hash",
  "lru_percpu_hash",
  "lpm_trie",
]);

function createMap(spec: MapSpec, btfFd: number): BpfMap {
  const { keyTypeId, valueTypeId } = spec;
  const typed = described.has(spec.type) && valueTypeId > 0 && (keyTypeId > 0 || spec.data);
  return BpfMap.create({
    ...spec,
    ...(typed ? { btf: { fd: btfFd, keyTypeId, valueTypeId } } : {}),
  });
}

/** @throws ObjectError map_invalid when `map` cannot stand in for what the programs were compiled against. */
function checkShape(spec: MapSpec, map: BpfMap): void {
  const wanted = `${spec.type}, key ${spec.keySize}, value ${spec.valueSize}`;
  const found = `${map.type}, key ${map.keySize}, value ${map.valueSize}`;
  if (wanted === found || isMapOfMaps(spec.type)) return;
  throw new ObjectError("map_invalid", `map ${spec.name} is ${found}, the programs want ${wanted}`);
}

function indexKey(index: number): Uint8Array {
  return new Uint8Array(new Uint32Array([index]).buffer);
}
