// Services in a test node's maps, put there by the agent's own writer, for both families at once.
import { Address, Prefix } from "@tsilium/net";
import { maglevTable } from "../../packages/loadbalancer/src/maglev.ts";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  FrontendKind,
  ServiceException,
  ServiceSurvey,
  SourceRange,
} from "../../packages/datapath/src/model.ts";
import { flowTables, serviceTables } from "../../packages/datapath/src/services/tables.ts";
import { ServiceMaps } from "../../packages/datapath/src/services/service-maps.ts";
import type { BpfMap } from "@tsilium/ebpf";
import { type Family, node, otherNode, type Party, router } from "./world.ts";

export const protocols = { tcp: 6, udp: 17, sctp: 132 } as const;
export type ProtocolName = keyof typeof protocols;

/** Where somebody listens. */
export type Place = { readonly at: Party; readonly port: number };

/** Whose other ports are their own. */
const ofNodes: readonly Party[] = [node, otherNode, router];

/** As sockets ask for a node port. */
export const anyNode: Party = { 4: "0.0.0.0", 6: "::" };

export type FrontendSpec = Place & {
  readonly kind: FrontendKind;
  readonly dsr?: boolean;
  readonly localRedirect?: boolean;
  /** Clients from outside must be in one of them. */
  readonly sourceRanges?: readonly string[];
  /** Namespaces whose packets and sockets are not balanced. */
  readonly exceptions?: readonly bigint[];
};

export type ServiceSpec = {
  readonly frontends: readonly FrontendSpec[];
  /** Default: all three. */
  readonly protocols?: readonly ProtocolName[];
  /** Who gets new flows: those of clients of the cluster and, unless `external` says otherwise, from outside. */
  readonly backends: readonly Place[];
  readonly external?: readonly Place[];
  /** Who serves the flows that it has. */
  readonly terminating?: readonly Place[];
  readonly affinityTimeoutS?: number;
  readonly silent?: boolean;
  readonly maglev?: boolean;
};

export type SceneOptions = {
  readonly maglevTableSize?: number;
  /** Numbers of backends start here. */
  readonly firstBackend?: number;
};

const nothing: ServiceSurvey = {
  backends: [],
  sets: [],
  frontends: [],
  sourceRanges: [],
  exceptions: [],
};

export class ServiceScene {
  readonly maps: ServiceMaps;
  readonly #frontends: Numbers;
  readonly #sets: Numbers;
  readonly #backends: Numbers;
  readonly #maglevTableSize: number;
  #present: ServiceSurvey = nothing;

  constructor(source: { map(name: string): BpfMap }, options: SceneOptions = {}) {
    const maps = { get: (name: string) => source.map(name) };
    this.maps = new ServiceMaps(serviceTables(maps), flowTables(maps));
    this.#frontends = new Numbers(1);
    this.#sets = new Numbers(1);
    this.#backends = new Numbers(options.firstBackend ?? 1);
    this.#maglevTableSize = options.maglevTableSize ?? 251;
  }

  /** Exactly these services. What was there before keeps its numbers. */
  set(services: readonly ServiceSpec[]): void {
    const wanted = new Rows(this.#numbersOf(), this.#maglevTableSize);
    for (const service of services) wanted.add(service);
    const { survey } = wanted;
    const delta = <T>(put: readonly T[], before: readonly T[], keyOf: (row: T) => unknown) => {
      const kept = new Set(put.map(keyOf));
      return { put, remove: before.filter((row) => !kept.has(keyOf(row))) };
    };
    const idOf = ({ id }: { readonly id: number }) => id;
    const textOf = (row: SourceRange | ServiceException) =>
      Object.values(row).map(String).join(" ");
    this.maps.apply({
      backends: delta(survey.backends, this.#present.backends, idOf),
      sets: delta(survey.sets, this.#present.sets, idOf),
      frontends: delta(survey.frontends, this.#present.frontends, idOf),
      sourceRanges: delta(survey.sourceRanges, this.#present.sourceRanges, textOf),
      exceptions: delta(survey.exceptions, this.#present.exceptions, textOf),
    });
    this.#present = survey;
  }

  frontendId(family: Family, place: Place, protocol: ProtocolName = "tcp"): number {
    return this.#frontends.of(keyText(family, place, protocols[protocol]));
  }

  backendId(family: Family, place: Place, protocol: ProtocolName = "tcp"): number {
    return this.#backends.of(keyText(family, place, protocols[protocol]));
  }

  #numbersOf(): NumbersOfRows {
    return { frontends: this.#frontends, sets: this.#sets, backends: this.#backends };
  }
}

type NumbersOfRows = {
  readonly frontends: Numbers;
  readonly sets: Numbers;
  readonly backends: Numbers;
};

/** The kernel's rows of services as they are added. */
class Rows {
  readonly survey = {
    backends: [] as BackendEntry[],
    sets: [] as BackendSetEntry[],
    frontends: [] as FrontendEntry[],
    sourceRanges: [] as SourceRange[],
    exceptions: [] as ServiceException[],
  };
  readonly #numbers: NumbersOfRows;
  readonly #maglevTableSize: number;
  readonly #written = new Set<string>();

  constructor(numbers: NumbersOfRows, maglevTableSize: number) {
    this.#numbers = numbers;
    this.#maglevTableSize = maglevTableSize;
  }

  add(service: ServiceSpec): void {
    for (const family of [4, 6] as const)
      for (const name of service.protocols ?? (Object.keys(protocols) as ProtocolName[])) {
        const protocol = protocols[name];
        const about = { service, family, protocol };
        const internalSet = this.#set(about, "internal", service.backends);
        const externalSet = service.external
          ? this.#set(about, "external", service.external)
          : internalSet;
        for (const frontend of service.frontends)
          this.#frontend(frontend, { ...about, internalSet, externalSet });
        for (const place of service.terminating ?? []) this.#backend(place, about, "terminating");
      }
  }

  #frontend(
    frontend: FrontendSpec,
    about: About & { readonly internalSet: number; readonly externalSet: number },
  ): void {
    const { family, protocol, internalSet, externalSet } = about;
    const { kind, sourceRanges, exceptions = [] } = frontend;
    const address = Address.parse(frontend.at[family]);
    const id = this.#numbers.frontends.of(keyText(family, frontend, protocol));
    const ranges = (sourceRanges ?? [])
      .map((text) => Prefix.parse(text))
      .filter((prefix) => prefix.family === family);
    const row: FrontendEntry = {
      id,
      address,
      port: frontend.port,
      protocol,
      kind,
      externalSet,
      internalSet,
      localRedirect: frontend.localRedirect ?? false,
      dsr: frontend.dsr ?? false,
      hasSourceRanges: sourceRanges !== undefined,
      hasExceptions: exceptions.length > 0,
    };
    this.survey.frontends.push(row);
    for (const prefix of ranges) this.survey.sourceRanges.push({ frontend: id, prefix });
    for (const netnsCookie of exceptions)
      this.survey.exceptions.push({ address, port: frontend.port, protocol, netnsCookie });
    const isNodes = ofNodes.some((party) => party[family] === frontend.at[family]);
    if ((kind === "cluster-ip" || kind === "external") && !isNodes) this.#addressOnly(row, family);
  }

  /** Other ports of the address. */
  #addressOnly(row: FrontendEntry, family: Family): void {
    const key = keyText(family, { at: { 4: `${row.address}`, 6: `${row.address}` }, port: 0 }, 0);
    if (!this.#first(key)) return;
    this.survey.frontends.push({
      ...row,
      id: this.#numbers.frontends.of(key),
      port: 0,
      protocol: 0,
      kind: "address-only",
      externalSet: 0,
      internalSet: 0,
      dsr: false,
      hasSourceRanges: false,
      hasExceptions: false,
    });
  }

  #set(about: About, scope: string, places: readonly Place[]): number {
    const { service, family, protocol } = about;
    const [frontend] = service.frontends;
    if (!frontend) throw new Error("a service without frontends");
    const id = this.#numbers.sets.of(`${scope} ${keyText(family, frontend, protocol)}`);
    const backends = places.map((place) => this.#backend(place, about, "active"));
    this.survey.sets.push({
      id,
      backends,
      affinityTimeoutS: service.affinityTimeoutS ?? 0,
      silent: service.silent ?? false,
      maglev:
        service.maglev && backends.length > 0 ? this.#maglev(places, backends, about) : undefined,
    });
    return id;
  }

  #maglev(places: readonly Place[], backends: readonly number[], { family, protocol }: About) {
    const keys = places.map((place) => ({ key: keyText(family, place, protocol), weight: 1 }));
    return maglevTable(keys, { size: this.#maglevTableSize, seed: 0 }).map(
      (at) => backends[at] as number,
    );
  }

  #backend(place: Place, { family, protocol }: About, state: BackendEntry["state"]): number {
    const key = keyText(family, place, protocol);
    const id = this.#numbers.backends.of(key);
    const address = Address.parse(place.at[family]);
    if (this.#first(`backend ${key}`))
      this.survey.backends.push({ id, address, port: place.port, protocol, state });
    return id;
  }

  #first(key: string): boolean {
    if (this.#written.has(key)) return false;
    this.#written.add(key);
    return true;
  }
}

type About = {
  readonly service: ServiceSpec;
  readonly family: Family;
  readonly protocol: number;
};

function keyText(family: Family, { at, port }: Place, protocol: number): string {
  return `${at[family]} ${port} ${protocol}`;
}

/** A number per key, the same for as long as this lives. */
class Numbers {
  readonly #numbers = new Map<string, number>();
  #next: number;

  constructor(first: number) {
    this.#next = first;
  }

  of(key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#next);
    return this.#next++;
  }
}
