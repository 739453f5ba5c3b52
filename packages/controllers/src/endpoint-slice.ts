// EndpointSlices: for every Service with a selector, the addresses of the pods behind it. Slices of services without one
// are their makers'.
import {
  apiVersionOf,
  type EndpointPort,
  objectKey,
  resources,
  type EndpointSlice,
  type IPFamily,
  type Node,
  type Pod,
  type Service,
  serviceNameLabel,
  type SliceEndpoint,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { podFacts, serviceFacts } from "./endpoint-facts.ts";
import { isNamespaceGone } from "./failures.ts";
import { controllerReference, isReady, isTerminating, same } from "./objects.ts";
import { isBehind, labelTerms, selectorTerm } from "./service-indexes.ts";
import { distribute, groupsOf, isSharedOut } from "./slices.ts";
import { textOf } from "./texts.ts";
import { zoneLabel, zoneShares } from "./topology.ts";

const managerLabel = "endpointslice.kubernetes.io/managed-by";
const manager = "endpointslice-controller.k8s.io";
const headlessLabel = "service.kubernetes.io/headless";

/** What a slice is to be. */
type Wanted = {
  readonly family: IPFamily;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: readonly SliceEndpoint[];
  readonly labels: Readonly<Record<string, string>>;
};

export class EndpointSliceController extends Controller {
  /** Versions of slices as we wrote them: the watch brings them, and they are nothing new. */
  readonly #written = new Map<string, string>();

  constructor(context: Context) {
    super(context, { name: "endpointslice" });
  }

  protected watch(): void {
    const { services, pods, endpointSlices, nodes } = this.context.caches;
    services.table.subscribe(
      ({ kind, row, previous }) => {
        if (kind === "delete" || !previous || serviceFacts(row) !== serviceFacts(previous))
          this.queue.add(objectKey(row));
      },
      { replay: true },
    );
    pods.table.subscribe(({ kind, row, previous }) => {
      if (kind === "upsert" && previous && podFacts(row) === podFacts(previous)) return;
      for (const pod of previous ? [row, previous] : [row])
        for (const service of this.#servicesOf(pod)) this.queue.add(objectKey(service));
    });
    endpointSlices.table.subscribe(({ kind, row }) => {
      const key = objectKey(row);
      const isOurWrite = this.#written.get(key) === row.metadata.resourceVersion;
      if (kind === "delete") this.#written.delete(key);
      if (isOurs(row) && !isOurWrite) this.queue.add(serviceKeyOf(row));
    });
    nodes.table.subscribe(({ kind, row, previous }) => {
      const isMoved = zoneOf(row) !== (previous && zoneOf(previous)) || kind === "delete";
      if (!isMoved && previous && sizeFacts(row) === sizeFacts(previous)) return;
      for (const service of services.table.values())
        if (isMoved || isSharedOut(service)) this.queue.add(objectKey(service));
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { caches } = this.context;
    const service = caches.services.get(key);
    const existing = this.#slicesOf(key);
    // A service that is gone takes its slices along; the garbage collector would be later.
    if (!service || isTerminating(service) || service.spec.type === "ExternalName")
      return this.#delete(existing);
    // Somebody else may have taken over what we made.
    if (Object.keys(service.spec.selector ?? {}).length === 0) return;
    const candidates = selectorTerm(service).flatMap((term) => caches.pods.table.by("label", term));
    const pods = candidates.filter((pod) => isBehind(pod, service));
    const groups = groupsOf(service, pods, this.#zones(service));
    const labels = labelsFor(service);
    const own = (family: IPFamily, ports: readonly EndpointPort[]) =>
      existing.filter(
        (slice) => slice.addressType === family && textOf(slice.ports ?? []) === textOf(ports),
      );
    const filled = groups.flatMap(({ family, ports, endpoints }) =>
      distribute({ family, ports, endpoints }, own(family, ports)).map((each) => ({
        slice: each.slice,
        wanted: { family, ports, labels, endpoints: each.endpoints },
      })),
    );
    await this.#writeAll(service, { existing, filled });
  }

  #servicesOf(pod: Pod): Service[] {
    const { table } = this.context.caches.services;
    return labelTerms(pod)
      .flatMap((term) => table.by("selector", term))
      .filter((service) => isBehind(pod, service));
  }

  #zones(service: Service) {
    const { table } = this.context.caches.nodes;
    return {
      zoneOf: (name: string) => {
        const node = table.get(name);
        return node && zoneOf(node);
      },
      shares: isSharedOut(service) ? zoneShares(table.values()) : undefined,
    };
  }

  #slicesOf(key: string): EndpointSlice[] {
    return this.context.caches.endpointSlices.table
      .by("service", key)
      .filter((slice) => isOurs(slice) && !isTerminating(slice));
  }

  /** Slices that are left over become those that are new: consumers see one change, not a gap. */
  async #writeAll(
    service: Service,
    plan: {
      readonly existing: readonly EndpointSlice[];
      readonly filled: readonly {
        readonly slice: EndpointSlice | undefined;
        readonly wanted: Wanted;
      }[];
    },
  ): Promise<void> {
    const { existing, filled } = plan;
    const kept = new Set(filled.map(({ slice }) => slice));
    const spare = existing.filter((slice) => !kept.has(slice));
    const written: EndpointSlice[] = [];
    for (const { slice, wanted } of filled) {
      const at = spare.findIndex(({ addressType }) => addressType === wanted.family);
      const place = slice ?? (at >= 0 ? spare.splice(at, 1)[0] : undefined);
      written.push(...(await this.#write(service, place, wanted)));
    }
    await this.context.caches.endpointSlices.seen(written);
    await this.#delete(spare);
  }

  async #write(
    service: Service,
    slice: EndpointSlice | undefined,
    wanted: Wanted,
  ): Promise<EndpointSlice[]> {
    const { client, signal } = this.context;
    if (slice && isAsWanted(slice, wanted)) return [];
    const { endpoints, ports, labels } = wanted;
    try {
      const written = slice
        ? await client.replace(
            resources.endpointSlices,
            { ...slice, metadata: { ...slice.metadata, labels }, endpoints, ports },
            { signal },
          )
        : await client.create(resources.endpointSlices, sliceFor(service, wanted), { signal });
      this.#written.set(objectKey(written), written.metadata.resourceVersion ?? "");
      return [written];
    } catch (error) {
      if (!isNamespaceGone(error)) throw error;
      return [];
    }
  }

  async #delete(slices: readonly EndpointSlice[]): Promise<void> {
    const { client, caches, signal } = this.context;
    for (const slice of slices) {
      await client.delete(resources.endpointSlices, slice.metadata.name ?? "", {
        namespace: slice.metadata.namespace,
        signal,
      });
    }
    await caches.endpointSlices.seenDeleted(slices);
  }
}

/** Made from the pods behind a service, by this controller. */
export function isOurs(slice: EndpointSlice): boolean {
  return (
    slice.metadata.labels?.[managerLabel] === manager &&
    slice.metadata.labels[serviceNameLabel] !== undefined
  );
}

function serviceKeyOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace}/${metadata.labels?.[serviceNameLabel]}`;
}

function isAsWanted(slice: EndpointSlice, { ports, endpoints, labels }: Wanted): boolean {
  const present = slice.endpoints ?? [];
  return (
    present.length === endpoints.length &&
    present.every((each, at) => textOf(each) === textOf(endpoints[at] as SliceEndpoint)) &&
    textOf(slice.ports ?? []) === textOf(ports) &&
    same(slice.metadata.labels ?? {}, labels)
  );
}

function zoneOf({ metadata }: Node): string | undefined {
  return metadata.labels?.[zoneLabel];
}

/** What the shares of zones depend on. */
function sizeFacts(node: Node): string {
  const { labels } = node.metadata;
  return JSON.stringify([labels, isReady(node), node.status?.allocatable?.["cpu"]]);
}

/** The service's own, and those that tell whose slice it is. */
function labelsFor({ metadata, spec }: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = metadata.labels ?? {};
  return {
    ...labels,
    ...(spec.clusterIP === "None" ? { [headlessLabel]: "" } : {}),
    [serviceNameLabel]: metadata.name ?? "",
    [managerLabel]: manager,
  };
}

function sliceFor(service: Service, { family, ports, endpoints, labels }: Wanted): EndpointSlice {
  const { name = "", namespace = "" } = service.metadata;
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels,
      ownerReferences: [controllerReference(service, apiVersionOf(resources.services), "Service")],
    },
    addressType: family,
    endpoints,
    ports,
  };
}
