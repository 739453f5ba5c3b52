// The kernel's rows of services, in both families, from what tests say of them.
import { Address, Prefix } from "@tsilium/net";
import type {
  BackendEntry,
  BackendSetEntry,
  FrontendEntry,
  ServiceException,
  SourceRange,
} from "../../packages/datapath/src/model.ts";
import { maglevTable } from "../../packages/loadbalancer/src/maglev.ts";
import {
  type FrontendSpec,
  type Place,
  type ProtocolName,
  protocols,
  type ServiceSpec,
} from "./service-spec.ts";
import { type Family, node, otherNode, type Party, router } from "./world.ts";

/** Whose other ports are their own. */
const ofNodes: readonly Party[] = [node, otherNode, router];

export type RowNumbers = {
  readonly frontends: Numbers;
  readonly sets: Numbers;
  readonly backends: Numbers;
};

/** The rows of services as they are added. */
export class ServiceRows {
  readonly survey = {
    backends: [] as BackendEntry[],
    sets: [] as BackendSetEntry[],
    frontends: [] as FrontendEntry[],
    sourceRanges: [] as SourceRange[],
    exceptions: [] as ServiceException[],
  };
  readonly #numbers: RowNumbers;
  readonly #maglevTableSize: number;
  readonly #written = new Set<string>();

  constructor(numbers: RowNumbers, maglevTableSize: number) {
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

export function keyText(family: Family, { at, port }: Place, protocol: number): string {
  return `${at[family]} ${port} ${protocol}`;
}

/** A number per key, the same for as long as this lives. */
export class Numbers {
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
