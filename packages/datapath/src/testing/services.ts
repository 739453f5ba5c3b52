// Services for tests: whole ones, in the terms of the kernel's tables.
import { Address } from "@tsilium/net";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  ServiceChanges,
  ServiceSurvey,
} from "../model.ts";

export const noChanges: ServiceChanges = {
  backends: { put: [], remove: [] },
  sets: { put: [], remove: [] },
  frontends: { put: [], remove: [] },
  sourceRanges: { put: [], remove: [] },
  exceptions: { put: [], remove: [] },
};

/** Everything of one state, to be put. */
export function putAll(state: Partial<ServiceSurvey>): ServiceChanges {
  const of = <T>(put: readonly T[] = []) => ({ put, remove: [] });
  return {
    backends: of(state.backends),
    sets: of(state.sets),
    frontends: of(state.frontends),
    sourceRanges: of(state.sourceRanges),
    exceptions: of(state.exceptions),
  };
}

/** Everything of one state, to be removed. */
export function removeAll(state: Partial<ServiceSurvey>): ServiceChanges {
  const of = <T>(remove: readonly T[] = []) => ({ put: [], remove });
  return {
    backends: of(state.backends),
    sets: of(state.sets),
    frontends: of(state.frontends),
    sourceRanges: of(state.sourceRanges),
    exceptions: of(state.exceptions),
  };
}

export function backend(id: number, changes: Partial<BackendEntry> = {}): BackendEntry {
  const address = Address.fromBigInt(0x0a_00_00_00n + BigInt(id), 4);
  return { id, address, port: 8080, protocol: 6, state: "active", ...changes };
}

export function backendSet(
  id: number,
  backends: readonly number[],
  changes: Partial<BackendSetEntry> = {},
): BackendSetEntry {
  return { id, backends, affinityTimeoutS: 0, silent: false, maglev: undefined, ...changes };
}

/** A cluster IP whose sets have its own number. */
export function frontend(id: number, changes: Partial<FrontendEntry> = {}): FrontendEntry {
  return {
    id,
    address: Address.fromBigInt(0x0a_60_00_00n + BigInt(id), 4),
    port: 80,
    protocol: 6,
    kind: "cluster-ip",
    externalSet: id,
    internalSet: id,
    localRedirect: false,
    dsr: false,
    hasSourceRanges: false,
    hasExceptions: false,
    ...changes,
  };
}

/** `count` services from number `first` on, with three backends each. */
export function services(first: number, count: number): ServiceSurvey {
  const ids = Array.from({ length: count }, (_, index) => first + index);
  const backendsOf = (id: number): number[] => [3 * id, 3 * id + 1, 3 * id + 2];
  return {
    backends: ids.flatMap((id) => backendsOf(id).map((number) => backend(number))),
    sets: ids.map((id) => backendSet(id, backendsOf(id))),
    frontends: ids.map((id) => frontend(id)),
    sourceRanges: [],
    exceptions: [],
  };
}

/** A table as a Maglev table is: every backend in turn. */
export function table(size: number, backends: readonly number[]): Uint32Array {
  return Uint32Array.from({ length: size }, (_, hash) => backends[hash % backends.length] ?? 0);
}
