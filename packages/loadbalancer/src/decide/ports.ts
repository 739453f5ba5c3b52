// A service's ports, each with its endpoints and its backend sets, per family.
import { type Address, type Family } from "@tsilium/net";
import { addWarning } from "../kube/field.ts";
import type { ParsedPort, ParsedService } from "../kube/service.ts";
import { type ParsedSlice, parseSlice } from "../kube/slice.ts";
import type { BackendPool, DecidedBackend, ServiceWarning } from "../model.ts";
import { AddressSet } from "./address-set.ts";
import type { DecideContext } from "./context.ts";
import { poolOf } from "./pool.ts";
import type { SetScope } from "./scopes.ts";
import { PortSets } from "./sets.ts";

export type PortBackends = { readonly pool: BackendPool; readonly sets: PortSets };

export type ServicePortsOptions = {
  readonly context: DecideContext;
  readonly heedsHints: boolean;
  /** Which sets clients from outside are hashed over. */
  readonly maglevScopes: ReadonlySet<SetScope>;
  readonly warnings: ServiceWarning[];
};

/** Makes what frontends ask for, once. */
export class ServicePorts {
  readonly #service: ParsedService;
  readonly #slices: readonly ParsedSlice[];
  readonly #options: ServicePortsOptions;
  readonly #ownAddresses: AddressSet;
  readonly #made = new Map<string, PortBackends>();

  constructor(service: ParsedService, slices: readonly unknown[], options: ServicePortsOptions) {
    this.#service = service;
    this.#options = options;
    this.#slices = slices
      .flatMap((slice) => parseSlice(slice) ?? [])
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#ownAddresses = new AddressSet(ownAddresses(service, options.context));
    for (const { warnings } of this.#slices)
      for (const warning of warnings) addWarning(options.warnings, warning);
  }

  get(port: ParsedPort, family: Family): PortBackends {
    const key = `${port.port}/${port.protocol}/${family}`;
    const known = this.#made.get(key);
    if (known) return known;
    const made = this.#make(port, family);
    this.#made.set(key, made);
    return made;
  }

  get pools(): readonly BackendPool[] {
    return [...this.#made.values()].map(({ pool }) => pool);
  }

  #make(port: ParsedPort, family: Family): PortBackends {
    const { warnings } = this.#options;
    const isOwnFrontend = (backend: DecidedBackend) => {
      if (!this.#leadsBack(backend)) return false;
      addWarning(warnings, {
        path: port.path,
        message: `endpoint ${backend.key} is a frontend of the service itself: not used`,
      });
      return true;
    };
    const pool = poolOf(this.#slices, { port, family, isOwnFrontend });
    const { protocol } = port;
    const sets = new PortSets({ ...this.#options, service: this.#service, protocol, pool });
    return { pool, sets };
  }

  #leadsBack({ address, port, protocol }: DecidedBackend): boolean {
    if (this.#ownAddresses.has(address)) return true;
    return (
      this.#service.ports.some((own) => own.nodePort === port && own.protocol === protocol) &&
      this.#options.context.facts.clusterAddresses.has(`${address}`)
    );
  }
}

/** Addresses that are the service's on every port. One that a node has is so on the service's ports alone, and seldom. */
function ownAddresses(service: ParsedService, { facts }: DecideContext): Address[] {
  return [...service.clusterIps, ...service.externalIps, ...service.ingress]
    .map(({ address }) => address)
    .filter((address) => !facts.clusterAddresses.has(`${address}`));
}
