// Frontends of services: by their numbers, which events carry, and by their addresses.
import type { FlowService } from "../model.ts";
import type { FrontendItem } from "./model.ts";

/** A frontend, and whose it is. */
type Holder = { readonly id: number; readonly service: FlowService };

/** Frontends of one address, by port and protocol (`portKey`). */
export type PortServices = ReadonlyMap<number, Holder>;

/** Of a frontend that is the whole address. */
const wholeAddress = portKey(0, 0);

const any = { 4: "0.0.0.0", 6: "::" } as const;

export class Services {
  /** With the number of their frontends. */
  readonly #services = new Map<string, { readonly service: FlowService; frontends: number }>();
  readonly #byId = new Map<
    number,
    { readonly item: FrontendItem; readonly service: FlowService }
  >();
  readonly #byAddress = new Map<string, Map<number, Holder>>();

  set(item: FrontendItem): void {
    // In this order, so that a frontend said again keeps its service's object.
    const service = this.#interned(item);
    this.delete(item.id);
    this.#byId.set(item.id, { item, service });
    const ports = this.#byAddress.get(item.address) ?? new Map<number, Holder>();
    this.#byAddress.set(item.address, ports);
    ports.set(portKey(item.port, item.protocol), { id: item.id, service });
  }

  delete(id: number): void {
    const item = this.#byId.get(id)?.item;
    if (!item) return;
    this.#byId.delete(id);
    this.#release(item);
    const ports = this.#byAddress.get(item.address);
    const key = portKey(item.port, item.protocol);
    // Another frontend may have taken the place before this one was told to go.
    if (ports?.get(key)?.id !== id) return;
    ports.delete(key);
    if (ports.size === 0) this.#byAddress.delete(item.address);
  }

  byId(id: number): FlowService | undefined {
    return this.#byId.get(id)?.service;
  }

  /** Of an address as text; `isNode`: it is a node's, so that node ports are reached there. */
  ofAddress(address: string, family: 4 | 6, isNode: boolean): PortServices | undefined {
    const own = this.#byAddress.get(address);
    const nodePorts = isNode ? this.#byAddress.get(any[family]) : undefined;
    if (!own || !nodePorts) return own ?? nodePorts;
    return new Map([...nodePorts, ...own]);
  }

  /** One object for each service as long as it has a frontend. */
  #interned({ namespace, name }: FrontendItem): FlowService {
    const key = `${namespace}/${name}`;
    const known = this.#services.get(key) ?? {
      service: Object.freeze({ name, namespace }),
      frontends: 0,
    };
    known.frontends++;
    this.#services.set(key, known);
    return known.service;
  }

  #release({ namespace, name }: FrontendItem): void {
    const key = `${namespace}/${name}`;
    const known = this.#services.get(key);
    if (known && --known.frontends === 0) this.#services.delete(key);
  }
}

export function portKey(port: number, protocol: number): number {
  return (port << 8) | protocol;
}

/** The service at a port. */
export function serviceAt(
  services: PortServices | undefined,
  port: number,
  protocol: number,
): FlowService | undefined {
  return services && (services.get(portKey(port, protocol)) ?? services.get(wholeAddress))?.service;
}
