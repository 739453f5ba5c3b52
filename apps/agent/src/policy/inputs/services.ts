// Services as `toServices` looks at them: by their labels and selectors, and those without a selector by addresses.
import { isDeepStrictEqual } from "node:util";
import { type EndpointSlice, objectKey, type Service } from "@tsilium/kube";
import { Labels, Prefix } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { addressesOf, serviceOf } from "../../ipcache/api-server.ts";
import type { ServiceInput } from "./model.ts";

/** Derives rows from services and their slices (indexed by "service"), until disposed of. */
export class PolicyServices implements Disposable {
  /** Keyed "namespace/name". */
  readonly table: Table<ServiceInput> = new Table<ServiceInput>({
    name: "policy-services",
    key: ({ namespace, name }) => `${namespace}/${name}`,
    equals: isDeepStrictEqual,
  });
  readonly #services: Table<Service>;
  readonly #slices: Table<EndpointSlice>;
  readonly #subscriptions = new DisposableStack();

  constructor(services: Table<Service>, slices: Table<EndpointSlice>) {
    this.#services = services;
    this.#slices = slices;
    this.#subscriptions.use(
      services.subscribe(({ row }) => this.#derive(objectKey(row)), { replay: true }),
    );
    this.#subscriptions.use(
      slices.subscribe(({ row, previous }) => {
        for (const key of new Set([row, previous].map((slice) => slice && serviceOf(slice))))
          if (key !== undefined) this.#derive(key);
      }),
    );
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  #derive(key: string): void {
    const service = this.#services.get(key);
    if (service) this.table.upsert(serviceInput(service, this.#slices.by("service", key)));
    else this.table.delete(key);
  }
}

/** An empty selector selects nothing in Kubernetes: it is as good as none. */
function serviceInput({ metadata, spec }: Service, slices: readonly EndpointSlice[]): ServiceInput {
  const { namespace = "", name = "", labels = {} } = metadata;
  const selector = Object.keys(spec.selector ?? {}).length > 0 ? spec.selector : undefined;
  const addresses = selector ? [] : slices.flatMap(addressesOf);
  return {
    kind: "service",
    namespace,
    name,
    labels: Labels.fromRecord("k8s", labels).toArray(),
    selector,
    backends: [...new Set(addresses.map((address) => Prefix.host(address).toString()))].sort(),
  };
}
