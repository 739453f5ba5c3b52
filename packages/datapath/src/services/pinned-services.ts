// Services as they are pinned, for the CLI: what the kernel does, whether or not an agent runs.
import type { BpfMap } from "@tsilium/ebpf";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  ServiceAffinity,
  ServiceException,
  ServiceFlow,
  ServiceSurvey,
  SourceRange,
} from "../model.ts";
import { listAffinities } from "./affinities.ts";
import { listServiceFlows } from "./flows.ts";
import { readServices } from "./kernel-state.ts";
import { readMaglev } from "./maglev.ts";
import { serviceTables } from "./tables.ts";

/** Reads of the tables; each opens and closes what it needs. */
export type PinnedServices = {
  /** In order of address, port and protocol; those of any node's address first. */
  frontends(): FrontendEntry[];
  /** In order of number, as all that follow. */
  backends(): BackendEntry[];
  /** Maglev tables are empty here: see `maglev`. */
  sets(): BackendSetEntry[];
  /** A set's table, backend by hash; undefined when it has none. Needs CAP_SYS_ADMIN. */
  maglev(set: number): Uint32Array | undefined;
  sourceRanges(): SourceRange[];
  exceptions(): ServiceException[];
  affinities(): ServiceAffinity[];
  flows(): ServiceFlow[];
};

/** `open` opens a pinned map by name, for its caller to close. */
export function pinnedServices(open: (name: string) => BpfMap): PinnedServices {
  const survey = (): ServiceSurvey => {
    using opened = new DisposableStack();
    return readServices(serviceTables({ get: (name) => opened.use(open(name)) })).survey;
  };
  const withMap = <T>(name: string, read: (map: BpfMap) => T): T => {
    using map = open(name);
    return read(map);
  };
  return {
    frontends: () => survey().frontends.toSorted(byAddress),
    backends: () => survey().backends.toSorted(byId),
    sets: () => survey().sets.toSorted(byId),
    maglev: (set) => withMap("tsi_lb_maglev", (outer) => readMaglev(outer, set)),
    sourceRanges: () => survey().sourceRanges.toSorted((a, b) => a.frontend - b.frontend),
    exceptions: () => [...survey().exceptions],
    affinities: () => withMap("tsi_lb_affinity", listAffinities),
    flows: () => withMap("tsi_lb_flow", listServiceFlows),
  };
}

function byId(a: { readonly id: number }, b: { readonly id: number }): number {
  return a.id - b.id;
}

function byAddress(a: FrontendEntry, b: FrontendEntry): number {
  const order =
    a.address === undefined || b.address === undefined
      ? Number(a.address !== undefined) - Number(b.address !== undefined)
      : a.address.compare(b.address);
  return order || a.port - b.port || a.protocol - b.protocol;
}
