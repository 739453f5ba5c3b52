// Services, their endpoints and address pools as the API server tells of them, kept as the needs for routes that
// follow from them.
import {
  type CiliumLoadBalancerIPPool,
  type EndpointSlice,
  type KubeClient,
  KubeError,
  objectKey,
  reflect,
  resources,
  type Service,
  serviceNameLabel,
} from "@tsilium/kube";
import type { Prefix } from "@tsilium/net";
import { outsideAddresses, poolPrefixes } from "./addresses.ts";
import type { RouteNeed } from "./decide.ts";

export type WatchOptions = {
  readonly client: KubeClient;
  readonly reserved: readonly Prefix[];
  readonly signal: AbortSignal;
  /** Something that needs depend on has changed. */
  readonly changed: () => void;
  readonly log: (message: string) => void;
};

/** While the operator has not defined pools yet. */
const poolRetry = { minMs: 100, maxMs: 1000 };

type Outside = { readonly prefixes: readonly Prefix[]; readonly local: boolean };

export class ServiceWatch {
  readonly #options: WatchOptions;
  readonly #services = new Map<string, Outside>();
  readonly #pools = new Map<string, readonly Prefix[]>();
  /** service -> slice -> nodes with a ready endpoint. */
  readonly #nodes = new Map<string, Map<string, readonly string[]>>();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Begins to watch; ends with the signal. */
  start(): void {
    const { client, signal } = this.#options;
    const common = { signal };
    void reflect(client, resources.services, {
      ...common,
      trim: trimService,
      handlers: {
        upsert: (service) => this.#setService(objectKey(service), service),
        delete: (service) => this.#setService(objectKey(service), undefined),
        onError: this.#report("services"),
      },
    });
    void reflect(client, resources.endpointSlices, {
      ...common,
      trim: trimSlice,
      handlers: {
        upsert: (slice) => this.#setSlice(slice, readyNodes(slice)),
        delete: (slice) => this.#setSlice(slice, []),
        onError: this.#report("endpoint slices"),
      },
    });
    void reflect(client, resources.ciliumLoadBalancerIPPools, {
      ...common,
      retry: poolRetry,
      handlers: {
        upsert: (pool) => this.#setPool(pool, poolPrefixes(pool, this.#options.reserved)),
        delete: (pool) => this.#setPool(pool, []),
        onError: this.#report("load balancer pools"),
      },
    });
  }

  needs(): RouteNeed[] {
    const services = [...this.#services].flatMap(([key, { prefixes, local }]) => {
      const localNodes = local ? this.#nodesOf(key) : undefined;
      return prefixes.map((prefix) => ({ prefix, of: key, localNodes }));
    });
    const pools = [...this.#pools].flatMap(([name, prefixes]) =>
      prefixes.map((prefix) => ({ prefix, of: `pool ${name}`, localNodes: undefined })),
    );
    return [...services, ...pools];
  }

  #nodesOf(service: string): ReadonlySet<string> {
    return new Set([...(this.#nodes.get(service)?.values() ?? [])].flat());
  }

  #setService(key: string, service: Service | undefined): void {
    const prefixes = service ? outsideAddresses(service, this.#options.reserved) : [];
    const known = this.#services.delete(key);
    if (prefixes.length > 0)
      this.#services.set(key, { prefixes, local: service?.spec.externalTrafficPolicy === "Local" });
    if (known || prefixes.length > 0) this.#options.changed();
  }

  #setSlice(slice: EndpointSlice, nodes: readonly string[]): void {
    const { namespace, labels, name = "" } = slice.metadata;
    const key = `${namespace}/${labels?.[serviceNameLabel]}`;
    const slices = this.#nodes.get(key) ?? new Map<string, readonly string[]>();
    const same = slices.get(name)?.join() === nodes.join();
    if (nodes.length > 0) this.#nodes.set(key, slices.set(name, nodes));
    else if (slices.delete(name) && slices.size === 0) this.#nodes.delete(key);
    if (!same && this.#services.get(key)?.local) this.#options.changed();
  }

  #setPool({ metadata }: CiliumLoadBalancerIPPool, prefixes: readonly Prefix[]): void {
    const name = metadata.name ?? "";
    this.#pools.delete(name);
    if (prefixes.length > 0) this.#pools.set(name, prefixes);
    this.#options.changed();
  }

  #report(what: string): (error: unknown) => void {
    return (error) => {
      if (!KubeError.isNotFound(error))
        this.#options.log(`load balancer routes: ${what}: ${(error as Error).message}`);
    };
  }
}

function trimService({ metadata, spec, status }: Service): Service {
  const { type, externalIPs, externalTrafficPolicy } = spec ?? {};
  return {
    metadata: identity(metadata),
    spec: {
      ...(type ? { type } : {}),
      ...(externalIPs ? { externalIPs } : {}),
      ...(externalTrafficPolicy ? { externalTrafficPolicy } : {}),
    },
    ...(status ? { status: { loadBalancer: status.loadBalancer ?? {} } } : {}),
  };
}

/** One endpoint for each node that has a ready one. */
function trimSlice(slice: EndpointSlice): EndpointSlice {
  const service = slice.metadata.labels?.[serviceNameLabel];
  return {
    metadata: {
      ...identity(slice.metadata),
      ...(service === undefined ? {} : { labels: { [serviceNameLabel]: service } }),
    },
    addressType: slice.addressType,
    endpoints: readyNodes(slice).map((nodeName) => ({ addresses: [], nodeName })),
  };
}

function readyNodes({ endpoints }: EndpointSlice): string[] {
  const nodes = (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .map(({ nodeName }) => nodeName)
    .filter((nodeName) => nodeName !== undefined);
  return [...new Set(nodes)].toSorted();
}

function identity({ name, namespace, uid, resourceVersion }: Service["metadata"]) {
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}
