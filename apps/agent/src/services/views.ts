// Services as the REST API shows them.
import { type CiliumLocalRedirectPolicy, objectKey } from "@tsilium/kube";
import {
  allServiceRows,
  redirectedService,
  type ServiceBook,
  serviceRows,
} from "@tsilium/loadbalancer";
import type { ServiceRow, ServiceWarning } from "@tsilium/loadbalancer/model.ts";
import type { Table } from "@tsilium/tables";

export type RedirectRow = {
  readonly namespace: string;
  readonly name: string;
  /** Whether traffic to an address is redirected, or to a service's cluster IPs. */
  readonly frontendType: "address" | "service";
  /** "namespace/name" of the service. */
  readonly service?: string;
  readonly skipRedirectFromBackend: boolean;
  /** What is redirected now; empty while no pod of the node can serve it. */
  readonly frontends: readonly ServiceRow[];
  readonly warnings: readonly ServiceWarning[];
};

export type WarningRow = ServiceWarning & {
  /** "namespace/name"; ":host-port" and ":local-redirect" behind it name a pod's ports and a policy. */
  readonly service: string;
};

export type ServiceViewSources = {
  readonly book: ServiceBook;
  readonly redirects: Table<CiliumLocalRedirectPolicy>;
  readonly warnings: () => ReadonlyMap<string, readonly ServiceWarning[]>;
};

export class ServiceViews {
  readonly #sources: ServiceViewSources;

  constructor(sources: ServiceViewSources) {
    this.#sources = sources;
  }

  /** Every frontend that has a port, by its number. */
  rows(): ServiceRow[] {
    return allServiceRows(this.#sources.book);
  }

  row(id: number): ServiceRow | undefined {
    return this.rows().find((row) => row.id === id);
  }

  warnings(): WarningRow[] {
    return [...this.#sources.warnings()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([service, found]) => found.map((warning) => ({ service, ...warning })));
  }

  redirects(): RedirectRow[] {
    const policies = this.#sources.redirects.values().toArray();
    return policies
      .toSorted((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))
      .map((policy) => this.#redirectRow(policy));
  }

  #redirectRow(policy: CiliumLocalRedirectPolicy): RedirectRow {
    const { book } = this.#sources;
    const { namespace = "", name = "" } = policy.metadata;
    const service = redirectedService(policy);
    const key = service ?? `${objectKey(policy)}:local-redirect`;
    const served = book.get(key);
    return {
      namespace,
      name,
      frontendType: service === undefined ? "address" : "service",
      ...(service === undefined ? {} : { service }),
      skipRedirectFromBackend: policy.spec?.skipRedirectFromBackend === true,
      frontends: (served ? serviceRows(book, served) : []).filter(
        ({ flags }) => flags.localRedirect,
      ),
      warnings: book.warnings(`${objectKey(policy)}:local-redirect`),
    };
  }
}
