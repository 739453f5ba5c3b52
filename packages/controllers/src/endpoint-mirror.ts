// Endpoints that somebody made for a service without a selector, as the EndpointSlices that everything works by.
import {
  apiVersionOf,
  objectKey,
  resources,
  serviceNameLabel,
  type EndpointPort,
  type Endpoints,
  type EndpointSlice,
  type IPFamily,
  type SliceEndpoint,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { endpointsManagerLabel } from "./endpoint-subsets.ts";
import { ignoreNotFound, isNamespaceGone, isOvertaken } from "./failures.ts";
import { controllerReference, isTerminating } from "./objects.ts";
import { serviceOfSlice } from "./service-indexes.ts";
import { textOf } from "./texts.ts";

/** On Endpoints whose maker makes the slices, too. */
export const skipMirrorLabel = "endpointslice.kubernetes.io/skip-mirror";
const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader";
const managerLabel = "endpointslice.kubernetes.io/managed-by";
const manager = "endpointslicemirroring-controller.k8s.io";
/** Kubernetes' limit: of more addresses of one subset the first are mirrored. */
const maxPerSubset = 1000;

type Content = {
  readonly addressType: IPFamily;
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly EndpointPort[];
};

export class EndpointMirror extends Controller {
  constructor(context: Context) {
    super(context, { name: "endpointslicemirroring", concurrency: 2 });
  }

  protected watch(): void {
    const { services, endpointSlices, endpoints } = this.context.caches;
    endpoints.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    services.table.subscribe(({ row }) => {
      if (endpoints.get(objectKey(row)) ?? this.#mirrorsOf(objectKey(row)).length > 0)
        this.queue.add(objectKey(row));
    });
    endpointSlices.table.subscribe(({ row }) => {
      if (isMirror(row)) for (const service of serviceOfSlice(row)) this.queue.add(service);
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { services, endpoints } = this.context.caches;
    const service = services.get(key);
    const source = endpoints.get(key);
    const isMirrored =
      service !== undefined &&
      source !== undefined &&
      Object.keys(service.spec.selector ?? {}).length === 0 &&
      !isTerminating(service) &&
      isForMirroring(source);
    await this.#write(source, isMirrored ? contentsOf(source) : [], this.#mirrorsOf(key));
  }

  #mirrorsOf(key: string): EndpointSlice[] {
    const { table } = this.context.caches.endpointSlices;
    return table.by("service", key).filter((slice) => isMirror(slice) && !isTerminating(slice));
  }

  /** One slice for each content: those that are right stay, the others become what is missing, or go. */
  async #write(
    source: Endpoints | undefined,
    contents: readonly Content[],
    present: readonly EndpointSlice[],
  ): Promise<void> {
    const { client, caches, signal } = this.context;
    const spare = [...present];
    const missing = contents.filter((content) => {
      const at = spare.findIndex((slice) => isSame(slice, content));
      if (at >= 0) spare.splice(at, 1);
      return at < 0;
    });
    try {
      for (const content of source ? missing : []) {
        const at = spare.findIndex((slice) => slice.addressType === content.addressType);
        const slice = at < 0 ? undefined : spare.splice(at, 1)[0];
        const written = slice
          ? await client.replace(resources.endpointSlices, { ...slice, ...content }, { signal })
          : await client.create(resources.endpointSlices, sliceFor(source, content), { signal });
        await caches.endpointSlices.seen([written]);
      }
    } catch (error) {
      if (!isNamespaceGone(error) && !isOvertaken(error)) throw error;
    }
    for (const { metadata } of spare) {
      const { name = "", namespace } = metadata;
      await ignoreNotFound(client.delete(resources.endpointSlices, name, { namespace, signal }));
    }
  }
}

function isForMirroring({ metadata }: Endpoints): boolean {
  return (
    metadata.labels?.[skipMirrorLabel] !== "true" &&
    // Made from slices, for a service that has given up its selector since: those are still there.
    metadata.labels?.[endpointsManagerLabel] === undefined &&
    metadata.annotations?.[leaderAnnotation] === undefined
  );
}

function isMirror({ metadata }: EndpointSlice): boolean {
  return metadata.labels?.[managerLabel] === manager;
}

function isSame(slice: EndpointSlice, content: Content): boolean {
  const { addressType, endpoints = [], ports = [] } = slice;
  return textOf({ addressType, endpoints, ports }) === textOf(content);
}

/** A subset may have both families; a slice has one. */
function contentsOf({ subsets = [] }: Endpoints): Content[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const named = ports.map(({ name = "", ...rest }) => ({ name, ...rest }));
    const all = [
      ...addresses.map((address) => ({ ...address, ready: true })),
      ...notReadyAddresses.map((address) => ({ ...address, ready: false })),
    ].slice(0, maxPerSubset);
    return (["IPv4", "IPv6"] as const).flatMap((addressType) => {
      const endpoints = all
        .filter(({ ip }) => ip.includes(":") === (addressType === "IPv6"))
        .map(({ ip, ready, ...rest }) => ({ addresses: [ip], conditions: { ready }, ...rest }));
      return endpoints.length === 0 ? [] : [{ addressType, endpoints, ports: named }];
    });
  });
}

function sliceFor(source: Endpoints | undefined, content: Content): EndpointSlice {
  const { name = "", namespace, labels } = source?.metadata ?? {};
  return {
    metadata: {
      generateName: `${name}-`,
      ...(namespace ? { namespace } : {}),
      labels: { ...labels, [serviceNameLabel]: name, [managerLabel]: manager },
      ownerReferences: source
        ? [controllerReference(source, apiVersionOf(resources.endpoints), "Endpoints")]
        : [],
    },
    ...content,
  };
}
