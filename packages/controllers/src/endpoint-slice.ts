// EndpointSlices: for every Service with a selector, the addresses of the pods behind it.
import {
  apiVersionOf,
  KubeError,
  objectKey,
  resources,
  type EndpointSlice,
  type Pod,
  type Service,
  type SliceEndpoint,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { isNamespaceGone } from "./failures.ts";
import { controllerReference, isTerminating, same } from "./objects.ts";
import { distribute, groupsOf, type Group } from "./slices.ts";

const serviceLabel = "kubernetes.io/service-name";
const managerLabel = "endpointslice.kubernetes.io/managed-by";
const manager = "endpointslice-controller.k8s.io";

export class EndpointSliceController extends Controller {
  constructor(context: Context) {
    super(context, { name: "endpointslice" });
  }

  protected watch(): void {
    const { services, pods, endpointSlices } = this.context.caches;
    services.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(({ row, previous }) => {
      for (const service of services.inNamespace(row.metadata.namespace ?? "")) {
        if (isBehind(row, service) || (previous && isBehind(previous, service))) {
          this.queue.add(objectKey(service));
        }
      }
    });
    endpointSlices.table.subscribe(({ row }) => {
      const name = row.metadata.labels?.[serviceLabel];
      if (name && isOurs(row)) this.queue.add(`${row.metadata.namespace}/${name}`);
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { caches } = this.context;
    const service = caches.services.get(key);
    const existing = this.#slicesOf(key);
    if (!service?.spec.selector || isTerminating(service) || service.spec.type === "ExternalName") {
      // A service that is gone takes its slices along; the garbage collector would be later.
      await this.#delete(existing);
      return;
    }
    const pods = caches.pods.inNamespace(service.metadata.namespace ?? "");
    const groups = groupsOf(
      service,
      pods.filter((pod) => isBehind(pod, service)),
    );
    const kept = new Set<EndpointSlice>();
    for (const group of groups) {
      const own = existing.filter(
        (slice) => slice.addressType === group.family && same(slice.ports ?? [], group.ports),
      );
      for (const { slice, endpoints } of distribute(group, own)) {
        if (slice) kept.add(slice);
        await this.#write(service, { group, slice, endpoints });
      }
    }
    await this.#delete(existing.filter((slice) => !kept.has(slice)));
  }

  #slicesOf(key: string): EndpointSlice[] {
    const [namespace = "", name = ""] = key.split("/");
    return this.context.caches.endpointSlices
      .inNamespace(namespace)
      .filter((slice) => slice.metadata.labels?.[serviceLabel] === name && isOurs(slice))
      .filter((slice) => !isTerminating(slice));
  }

  async #write(
    service: Service,
    wanted: {
      readonly group: Group;
      readonly slice: EndpointSlice | undefined;
      readonly endpoints: readonly SliceEndpoint[];
    },
  ): Promise<void> {
    const { client, caches, signal } = this.context;
    const { group, slice, endpoints } = wanted;
    if (slice && same(slice.endpoints ?? [], endpoints)) return;
    try {
      const written = slice
        ? await client.replace(resources.endpointSlices, { ...slice, endpoints }, { signal })
        : await client.create(resources.endpointSlices, sliceFor(service, group, endpoints), {
            signal,
          });
      await caches.endpointSlices.seen([written]);
    } catch (error) {
      if (!isNamespaceGone(error)) throw error;
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

function isOurs(slice: EndpointSlice): boolean {
  return slice.metadata.labels?.[managerLabel] === manager;
}

function isBehind(pod: Pod, service: Service): boolean {
  const labels = pod.metadata.labels ?? {};
  const selector = Object.entries(service.spec.selector ?? {});
  return selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
}

function sliceFor(
  service: Service,
  group: Group,
  endpoints: readonly SliceEndpoint[],
): EndpointSlice {
  const { name = "", namespace = "" } = service.metadata;
  const labels: Record<string, string> = {
    ...service.metadata.labels,
    [serviceLabel]: name,
    [managerLabel]: manager,
  };
  if (service.spec.clusterIP === "None") labels["service.kubernetes.io/headless"] = "";
  return {
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels,
      ownerReferences: [controllerReference(service, apiVersionOf(resources.services), "Service")],
    },
    addressType: group.family,
    endpoints,
    ports: group.ports,
  };
}

/** The service "kubernetes" has no pods: its slice lists where the API server can be reached. */
export async function publishApiEndpoints(
  context: Pick<Context, "client" | "signal">,
  endpoints: readonly { readonly address: string; readonly port: number }[],
): Promise<void> {
  const first = endpoints.find((endpoint) => !endpoint.address.includes(":"));
  if (!first) return;
  const slice: EndpointSlice = {
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { [serviceLabel]: "kubernetes" },
    },
    addressType: "IPv4",
    endpoints: endpoints
      .filter((endpoint) => !endpoint.address.includes(":") && endpoint.port === first.port)
      .map(({ address }) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "https", protocol: "TCP", port: first.port }],
  };
  try {
    await context.client.create(resources.endpointSlices, slice, { signal: context.signal });
  } catch (error) {
    if (!KubeError.isAlreadyExists(error)) throw error;
    await context.client.replace(resources.endpointSlices, slice, { signal: context.signal });
  }
}
