// What services are decided from: tables of what the API server tells and of this node's endpoints. Says which objects have
// to be decided anew, and decides one. Keys are those of what is decided:
//
//   Service shop/web                      "shop/web"
//   Pod shop/cart with host ports         "shop/cart:host-port"
//   CiliumLocalRedirectPolicy shop/dns    "shop/dns:local-redirect"
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import {
  type CiliumLocalRedirectPolicy,
  type EndpointSlice,
  objectKey,
  type Pod,
  type Service,
} from "@tsilium/kube";
import {
  type DecideContext,
  decideHostPorts,
  decideRedirect,
  decideService,
  type LocalPod,
  redirectedService,
} from "@tsilium/loadbalancer";
import type { DecidedService } from "@tsilium/loadbalancer/model.ts";
import type { Change, Table } from "@tsilium/tables";
import { serviceOf } from "../ipcache/api-server.ts";

export type ServiceTables = {
  readonly services: Table<Service>;
  /** Indexed by "service". */
  readonly slices: Table<EndpointSlice>;
  /** Pods of this node. */
  readonly pods: Table<Pod>;
  /** Indexed by "pod". */
  readonly endpoints: Table<Endpoint>;
  /** Indexed by "namespace" and "service"; empty where they are not followed. */
  readonly redirects: Table<CiliumLocalRedirectPolicy>;
};

const hostPortSuffix = ":host-port";
const redirectSuffix = ":local-redirect";

export class ServiceSources implements Disposable {
  readonly #tables: ServiceTables;
  readonly #stale: (key: string) => void;
  readonly #subscriptions = new DisposableStack();

  /** @param stale told of every key that has to be decided anew */
  constructor(tables: ServiceTables, stale: (key: string) => void) {
    const { services, slices, pods, endpoints, redirects } = tables;
    this.#tables = tables;
    this.#stale = stale;
    const use = this.#subscriptions;
    use.use(services.subscribe(({ row }) => stale(objectKey(row))));
    use.use(slices.subscribe((change) => this.#sliceChanged(change)));
    use.use(pods.subscribe((change) => this.#podChanged(change)));
    use.use(endpoints.subscribe((change) => this.#endpointChanged(change)));
    use.use(redirects.subscribe((change) => this.#redirectChanged(change)));
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  /** Of everything there is. */
  *keys(): Generator<string, void> {
    for (const service of this.#tables.services.values()) yield objectKey(service);
    yield* this.#keysWithOwnAddresses();
  }

  /** Of what brings addresses along that are not the cluster's to give: others' nodes must not be among them. */
  *exposedKeys(): Generator<string, void> {
    for (const service of this.#tables.services.values())
      if (isExposed(service)) yield objectKey(service);
    yield* this.#keysWithOwnAddresses();
  }

  /** What is to be served of an object; undefined: it is not there (any more). */
  decide(key: string, context: DecideContext): DecidedService | undefined {
    const { services, slices, pods, redirects } = this.#tables;
    if (key.endsWith(hostPortSuffix)) {
      const pod = pods.get(key.slice(0, -hostPortSuffix.length));
      return pod && decideHostPorts(pod, context);
    }
    if (key.endsWith(redirectSuffix)) {
      const policy = redirects.get(key.slice(0, -redirectSuffix.length));
      return policy && decideRedirect(policy, { ...context, localPods: this.#podsBeside(policy) });
    }
    const service = services.get(key);
    if (!service) return undefined;
    const own = redirects.by("service", key);
    const redirected =
      own.length > 0 ? { redirects: own, localPods: this.#podsBeside(service) } : {};
    return decideService(service, slices.by("service", key), { ...context, ...redirected });
  }

  *#keysWithOwnAddresses(): Generator<string, void> {
    const { pods, redirects } = this.#tables;
    for (const pod of pods.values())
      if (hasHostPorts(pod)) yield `${objectKey(pod)}${hostPortSuffix}`;
    for (const policy of redirects.values()) yield `${objectKey(policy)}${redirectSuffix}`;
  }

  /** This node's pods of an object's namespace. */
  #podsBeside({ metadata }: CiliumLocalRedirectPolicy | Service): LocalPod[] {
    const { pods, endpoints } = this.#tables;
    return pods
      .values()
      .filter((pod) => pod.metadata.namespace === metadata.namespace)
      .map((pod) => {
        const [endpoint] = endpoints.by("pod", objectKey(pod));
        return { pod, netnsCookie: endpoint?.netnsCookie };
      })
      .toArray();
  }

  #sliceChanged({ row, previous }: Change<EndpointSlice>): void {
    for (const key of new Set([row, previous].map((slice) => slice && serviceOf(slice))))
      if (key !== undefined) this.#stale(key);
  }

  #podChanged({ row, previous }: Change<Pod>): void {
    if (hasHostPorts(row) || (previous && hasHostPorts(previous)))
      this.#stale(`${objectKey(row)}${hostPortSuffix}`);
    this.#redirectsOf(row.metadata.namespace ?? "");
  }

  #endpointChanged({ row, previous }: Change<Endpoint>): void {
    // Of an endpoint policies need no more.
    if (row.netnsCookie !== previous?.netnsCookie) this.#redirectsOf(row.namespace);
  }

  /** Pods of a namespace are others: so is where its policies send traffic. */
  #redirectsOf(namespace: string): void {
    for (const policy of this.#tables.redirects.by("namespace", namespace)) {
      this.#stale(`${objectKey(policy)}${redirectSuffix}`);
      const service = redirectedService(policy);
      if (service !== undefined) this.#stale(service);
    }
  }

  #redirectChanged({ row, previous }: Change<CiliumLocalRedirectPolicy>): void {
    this.#stale(`${objectKey(row)}${redirectSuffix}`);
    for (const policy of [row, previous]) {
      const service = policy && redirectedService(policy);
      if (service !== undefined) this.#stale(service);
    }
  }
}

function isExposed({ spec, status }: Service): boolean {
  const { type = "ClusterIP", externalIPs = [] } = spec ?? {};
  return type !== "ClusterIP" || externalIPs.length > 0 || status !== undefined;
}

function hasHostPorts({ spec }: Pod): boolean {
  const { containers = [], initContainers = [] } = spec ?? {};
  return [...containers, ...initContainers].some(({ ports = [] }) =>
    ports.some(({ hostPort }) => hostPort !== undefined),
  );
}
