// The naive twin of balancing: which backends a packet may be sent to, as docs/services.md has it, kept in plain lists.
import type { FrontendSpec, Place, ProtocolName, ServiceSpec } from "./service-spec.ts";
import type { Family } from "./world.ts";

/** A packet of a client for an address. */
export type Asked = {
  readonly family: Family;
  readonly protocol: ProtocolName;
  readonly client: string;
  readonly clientPort: number;
  /** Where the client sends it. */
  readonly to: Place;
  /** The row that it is for: `to` itself, or that of any node. */
  readonly frontend: FrontendSpec;
  /** Of the cluster: a pod, or a node. */
  readonly isInternal: boolean;
  readonly opens: boolean;
  readonly closes: boolean;
};

/** Who may get it: none, whoever is among these. */
export type Acceptable = readonly string[];

type Flow = { backend: string; closed: boolean };

export class ServiceModel {
  #services: readonly ServiceSpec[] = [];
  readonly #flows = new Map<string, Flow>();
  /** By client and set. */
  readonly #affinities = new Map<string, string>();

  set(services: readonly ServiceSpec[]): void {
    this.#services = services;
  }

  /** The backends that this packet may be sent to, each as `placeName` has it. */
  acceptable(asked: Asked): Acceptable {
    const flow = this.#liveFlow(asked);
    if (flow) return [flow.backend];
    const candidates = this.#candidates(asked);
    const kept = this.#affinities.get(this.#affinityKey(asked));
    const hasAffinity = (this.#serviceOf(asked)?.affinityTimeoutS ?? 0) > 0;
    return hasAffinity && kept !== undefined && candidates.includes(kept) ? [kept] : candidates;
  }

  /** The packet was sent to this backend. */
  sent(asked: Asked, backend: string): void {
    const flow = this.#liveFlow(asked);
    if (!flow) {
      this.#flows.set(flowKey(asked), { backend, closed: false });
      this.#affinities.set(this.#affinityKey(asked), backend);
    }
    // A packet that opens a flow and ends it at once is its first: what follows is under way.
    if (flow && asked.closes) flow.closed = true;
  }

  #liveFlow(asked: Asked): Flow | undefined {
    const flow = this.#flows.get(flowKey(asked));
    if (!flow || (flow.closed && asked.opens)) return undefined;
    return this.#exists(asked, flow.backend) ? flow : undefined;
  }

  /** Somebody's backend still, if only one that terminates. */
  #exists({ family, protocol }: Asked, backend: string): boolean {
    return this.#services
      .filter((service) => hasProtocol(service, protocol))
      .flatMap(({ backends, external = [], terminating = [] }) => [
        ...backends,
        ...external,
        ...terminating,
      ])
      .some((place) => placeName(family, place) === backend);
  }

  #candidates(asked: Asked): string[] {
    const service = this.#serviceOf(asked);
    if (!service) return [];
    const places = asked.isInternal ? service.backends : (service.external ?? service.backends);
    return places.map((place) => placeName(asked.family, place));
  }

  #serviceOf({ frontend, protocol }: Asked): ServiceSpec | undefined {
    return this.#services.find(
      (service) =>
        hasProtocol(service, protocol) &&
        service.frontends.some(({ at, port }) => at === frontend.at && port === frontend.port),
    );
  }

  /** Affinity is the set's: of the service, for clients of the cluster or for all others. */
  #affinityKey(asked: Asked): string {
    const service = this.#serviceOf(asked);
    const first = service?.frontends[0];
    const scope = asked.isInternal || !service?.external ? "internal" : "external";
    const set = first ? placeName(asked.family, first) : "";
    return `${asked.client} ${asked.protocol} ${scope} ${set}`;
  }
}

export function placeName(family: Family, { at, port }: Place): string {
  return family === 4 ? `${at[4]}:${port}` : `[${at[6]}]:${port}`;
}

function hasProtocol({ protocols = ["tcp", "udp", "sctp"] }: ServiceSpec, name: ProtocolName) {
  return protocols.includes(name);
}

function flowKey({ family, protocol, client, clientPort, to }: Asked): string {
  return `${client} ${clientPort} ${protocol} ${placeName(family, to)}`;
}
