// The ports that a Service has on every node. A number belongs to one service, whatever the protocol; ports of one
// service that differ in protocol alone share one.
import { field, invalid } from "../errors.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Transaction } from "../store/store.ts";
import { hasNodePorts, needsHealthCheck, specOf, type ServicePort } from "./service-spec.ts";

export type NodePortRange = { readonly first: number; readonly last: number };

/** Kubernetes' default --service-node-port-range. */
export const defaultNodePortRange: NodePortRange = { first: 30_000, last: 32_767 };

/** How many numbers of a range are kept for those who ask for one, as Kubernetes does (KEP-3668). */
function staticCount(size: number): number {
  return size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
}

const subject = { group: "", plural: "services", kind: "Service" };

/** What of a service nobody else may have. */
export function nodePortClaims(service: ApiObject): string[] {
  const { ports = [], healthCheckNodePort } = specOf(service);
  const numbers = [...ports.map(({ nodePort }) => nodePort), healthCheckNodePort];
  return numbers.flatMap((number) => (number ? [claimOf(number)] : []));
}

const claimOf = (number: number) => `nodePort ${number}`;

/** Gives the service the node ports it should have; one that is asked for is checked. @throws ApiError Invalid */
export function allocateNodePorts(
  service: ApiObject,
  range: NodePortRange,
  transaction: Transaction,
): void {
  const spec = specOf(service);
  const ports = new NodePorts(service, range, transaction);
  if (hasNodePorts(spec)) {
    const allocates = spec.type === "NodePort" || spec.allocateLoadBalancerNodePorts !== false;
    allocateForPorts(spec.ports ?? [], ports, { allocates });
  }
  if (needsHealthCheck(spec))
    spec.healthCheckNodePort = ports.takeAlone(
      spec.healthCheckNodePort,
      "spec.healthCheckNodePort",
    );
}

function allocateForPorts(
  entries: readonly ServicePort[],
  ports: NodePorts,
  { allocates }: { readonly allocates: boolean },
): void {
  const ofPort = new Map<number, number>();
  const pathOf = (index: number) => `spec.ports[${index}].nodePort`;
  // Those that are asked for first, so that none of them is given away.
  entries.forEach(({ port, nodePort }, index) => {
    if (!nodePort) return;
    ports.take(nodePort, pathOf(index));
    if (!ofPort.has(port)) ofPort.set(port, nodePort);
  });
  if (!allocates) return;
  entries.forEach((entry, index) => {
    if (entry.nodePort) return;
    entry.nodePort = ofPort.get(entry.port) ?? ports.take(undefined, pathOf(index));
    ofPort.set(entry.port, entry.nodePort);
  });
}

/** The numbers that are free for one service. */
class NodePorts {
  readonly #name: string;
  readonly #key: string;
  readonly #range: NodePortRange;
  readonly #claims: ReadonlyMap<string, string>;
  /** Numbers of this service so far. */
  readonly #taken = new Set<number>();

  constructor({ metadata }: ApiObject, range: NodePortRange, transaction: Transaction) {
    this.#name = metadata.name ?? "";
    this.#key = `${metadata.namespace ?? ""}/${this.#name}`;
    this.#range = range;
    this.#claims = transaction.claims("/services");
  }

  /** The number asked for, or a free one at random. What the service has it keeps. @throws ApiError Invalid */
  take(asked: number | undefined, path: string): number {
    const number = asked || this.#free();
    const { first, last } = this.#range;
    if (number === undefined) throw this.#refusal(path, 0, `no port of ${first}-${last} is free`);
    const holder = this.#claims.get(claimOf(number));
    const why = `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
    if (holder === undefined && (number < first || number > last))
      throw this.#refusal(path, number, why);
    if (holder !== undefined && holder !== this.#key)
      throw this.#refusal(path, number, "provided port is already allocated");
    this.#taken.add(number);
    return number;
  }

  /** The same, for one that none of the service's ports may share. */
  takeAlone(asked: number | undefined, path: string): number {
    if (asked && this.#taken.has(asked))
      throw this.#refusal(path, asked, "provided port is already allocated");
    return this.take(asked, path);
  }

  /** Of the lower numbers only when the others are used up: people ask for those by number. */
  #free(): number | undefined {
    const { first, last } = this.#range;
    const dynamic = first + staticCount(last - first + 1);
    return (
      this.#freeWithin({ first: dynamic, last }) ?? this.#freeWithin({ first, last: dynamic - 1 })
    );
  }

  #freeWithin({ first, last }: NodePortRange): number | undefined {
    const count = last - first + 1;
    const start = Math.floor(Math.random() * count);
    for (let step = 0; step < count; step++) {
      const number = first + ((start + step) % count);
      if (!this.#taken.has(number) && !this.#claims.has(claimOf(number))) return number;
    }
    return undefined;
  }

  #refusal(path: string, value: number, why: string): Error {
    return invalid(subject, this.#name, [field.invalid(path, value, why)]);
  }
}
