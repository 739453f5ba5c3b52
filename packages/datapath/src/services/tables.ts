// The maps that services are made of, with their codecs.
import { TypedMap } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import {
  mapCodecs,
  type Backend,
  type BackendSet,
  type BackendSlotKey,
  type ExceptionKey,
  type Frontend,
  type FrontendAddress,
  type FrontendKey,
  type SourceRangeKey,
} from "../gen/abi.ts";

/** What the agent writes; names are those of bpf/maps/service.h behind `tsi_lb_`. */
export type ServiceTables = {
  readonly frontend: TypedMap<FrontendKey, Frontend>;
  readonly address: TypedMap<number, FrontendAddress>;
  readonly set: TypedMap<number, BackendSet>;
  readonly slot: TypedMap<BackendSlotKey, number>;
  readonly backend: TypedMap<number, Backend>;
  /** Map of maps. */
  readonly maglev: BpfMap;
  readonly source: TypedMap<SourceRangeKey, number>;
  readonly skip: TypedMap<ExceptionKey, number>;
};

/** What programs write. */
export type FlowTables = {
  readonly affinity: BpfMap;
  readonly flow: BpfMap;
  readonly socket: BpfMap;
};

/** How many entries these take is configured (bpf-lb-map-max). */
export const sizedServiceMaps = [
  "tsi_lb_frontend",
  "tsi_lb_address",
  "tsi_lb_set",
  "tsi_lb_slot",
  "tsi_lb_backend",
  "tsi_lb_maglev",
  "tsi_lb_source",
  "tsi_lb_skip",
] as const;

/** Open maps by name. */
export type MapSource = { get(name: string): BpfMap };

/** The tables on open maps, which stay their opener's. @throws ObjectError map_invalid for another version's layout */
export function serviceTables(maps: MapSource): ServiceTables {
  return {
    frontend: new TypedMap(maps.get("tsi_lb_frontend"), mapCodecs.tsi_lb_frontend),
    address: new TypedMap(maps.get("tsi_lb_address"), mapCodecs.tsi_lb_address),
    set: new TypedMap(maps.get("tsi_lb_set"), mapCodecs.tsi_lb_set),
    slot: new TypedMap(maps.get("tsi_lb_slot"), mapCodecs.tsi_lb_slot),
    backend: new TypedMap(maps.get("tsi_lb_backend"), mapCodecs.tsi_lb_backend),
    maglev: maps.get("tsi_lb_maglev"),
    source: new TypedMap(maps.get("tsi_lb_source"), mapCodecs.tsi_lb_source),
    skip: new TypedMap(maps.get("tsi_lb_skip"), mapCodecs.tsi_lb_skip),
  };
}

export function flowTables(maps: MapSource): FlowTables {
  return {
    affinity: maps.get("tsi_lb_affinity"),
    flow: maps.get("tsi_lb_flow"),
    socket: maps.get("tsi_lb_socket"),
  };
}
