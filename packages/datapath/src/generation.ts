// The maps and programs of one configuration. Starting, and giving services larger tables, are the same steps: load what
// is new beside what runs, fill it, switch every hook in one step each, let go of the old.
import { ownNetnsCookie } from "@tsilium/syscall";
import type { DatapathLog } from "./log.ts";
import type { DatapathConfig, EndpointEntry } from "./model.ts";
import type { NodeDevices } from "./node/devices.ts";
import { fittingMapMax } from "./pinned/fitting.ts";
import { MapSet } from "./pinned/map-set.ts";
import { declareMaps } from "./pinned/map-specs.ts";
import type { DeclaredMap } from "./pinned/map-specs.ts";
import type { Pins } from "./pinned/pins.ts";
import { sizesFor } from "./pinned/sizing.ts";
import { loadTimeConstants } from "./programs/constants.ts";
import type { Hook } from "./programs/hooks.ts";
import type { ObjectSet } from "./programs/objects.ts";
import { ProgramSet } from "./programs/program-set.ts";

/** What stays while generations follow each other. */
export type NodeParts = {
  readonly objects: ObjectSet;
  readonly devices: NodeDevices;
  readonly hook: Hook;
  readonly pins: Pins;
  readonly log: DatapathLog;
};

export class Generation implements Disposable {
  #config: DatapathConfig;
  readonly maps: MapSet;
  readonly programs: ProgramSet;

  private constructor(parts: Pick<Generation, "config" | "maps" | "programs">) {
    this.#config = parts.config;
    this.maps = parts.maps;
    this.programs = parts.programs;
  }

  /**
   * Opens or creates the maps, loads the programs, and fills maps of a new layout or size from those in use. No hook runs
   * any of it yet. Maps that stay as they are in `present` are shared with it.
   * @throws DatapathError, VerifierError, BpfError
   */
  static load(wanted: DatapathConfig, node: NodeParts, present?: Generation): Generation {
    const { devices, pins, log } = node;
    const { config, declared } = declareFitting(wanted, node);
    const constants = loadTimeConstants(config, { ...devices, netnsCookie: ownNetnsCookie() });
    using undo = new DisposableStack();
    const maps = undo.use(MapSet.open(declared, { pins, log, present: present?.maps }));
    const { services } = config;
    const programs = undo.use(ProgramSet.load({ ...node, constants, maps: maps.all, services }));
    maps.inherit();
    undo.move();
    return new Generation({ config, maps, programs });
  }

  /** As asked for, but for sizes that the node has outgrown. */
  get config(): DatapathConfig {
    return this.#config;
  }

  /** Is at these underlay devices, and at no others. @throws DatapathError attach: then nothing has changed */
  useDevices(devices: NodeDevices): void {
    this.programs.useDevices(devices);
    this.#config = { ...this.#config, devices: [...devices.underlay.keys()] };
  }

  /** Puts every hook to these programs, pods' first, then brings over what the old ones wrote until then. Repeatable. */
  takeOver(endpoints: readonly EndpointEntry[]): void {
    this.#attach(endpoints);
    this.maps.retirePredecessors();
  }

  /**
   * Has a generation that was loaded beside this one take over, and ends this one. When that fails, hooks are put back to
   * this one's programs, and the other one's own maps go. @throws DatapathError, BpfError
   */
  handOverTo(successor: Generation, endpoints: readonly EndpointEntry[]): void {
    try {
      successor.takeOver(endpoints);
    } catch (error) {
      try {
        this.#attach(endpoints);
      } finally {
        successor.maps.discard();
      }
      throw error;
    }
    this.programs[Symbol.dispose]();
    this.maps.handOverTo(successor.maps);
  }

  #attach(endpoints: readonly EndpointEntry[]): void {
    this.programs.adoptEndpoints(endpoints);
    this.programs.attachNode();
  }

  [Symbol.dispose](): void {
    this.programs[Symbol.dispose]();
    this.maps[Symbol.dispose]();
  }
}

/** The maps of a configuration, with services' tables as large as what the node holds needs them. */
function declareFitting(
  wanted: DatapathConfig,
  node: NodeParts,
): { readonly config: DatapathConfig; readonly declared: DeclaredMap[] } {
  const declared = declare(wanted, node.objects);
  const mapMax = fittingMapMax(declared, node.pins);
  if (mapMax === undefined) return { config: wanted, declared };
  const asked = wanted.services.mapMax;
  node.log.warn({ asked, mapMax }, "bpf-lb-map-max is too small for what this node holds: larger");
  const config = withMapMax(wanted, mapMax);
  return { config, declared: declare(config, node.objects) };
}

function declare(config: DatapathConfig, objects: ObjectSet): DeclaredMap[] {
  const { maglevTableSize } = config.services;
  return declareMaps(Object.values(objects), { ...sizesFor(config), maglevTableSize });
}

/** The configuration with another bpf-lb-map-max. */
export function withMapMax(config: DatapathConfig, mapMax: number): DatapathConfig {
  return { ...config, services: { ...config.services, mapMax } };
}
