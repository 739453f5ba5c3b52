// Writes into the statuses of services what the book says of them.
import { KubeError, type KubeClient, resources, type Service } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import { type Operations, Table } from "@tsilium/tables";
import type { Outcome } from "./model.ts";
import { type AddressTexts, releasedStatus, servedStatus, type StatusPatch } from "./status.ts";

/** A service whose status has to say something. */
export type ServiceRow =
  | {
      readonly kind: "served";
      readonly name: string;
      readonly outcome: Outcome;
      readonly given: AddressTexts;
    }
  /** It was served: what we gave has to go. */
  | { readonly kind: "released"; readonly name: string; readonly given: AddressTexts };

export type ServiceWriterOptions = {
  readonly client: KubeClient;
  readonly services: Table<Service>;
  readonly log: Logger;
};

export class ServiceWriter {
  readonly rows: Table<ServiceRow> = new Table({
    name: "load-balancer-addresses",
    key: ({ name }) => name,
  });
  readonly #options: ServiceWriterOptions;

  constructor(options: ServiceWriterOptions) {
    this.#options = options;
  }

  /** For a reconciler over `rows`. */
  get operations(): Operations<ServiceRow> {
    return {
      update: (row, signal) => this.#write(row, signal),
      delete: () => undefined,
    };
  }

  async #write(row: ServiceRow, signal: AbortSignal): Promise<void> {
    const { services, log } = this.#options;
    const service = services.get(row.name);
    if (!service) return;
    const status =
      row.kind === "served"
        ? servedStatus(service, row, new Date())
        : releasedStatus(service, row.given);
    if (!status || !(await this.#patch(service, status, signal))) return;
    const { reason, message } =
      row.kind === "served" ? row.outcome : { reason: "released", message: "" };
    const addresses = status.loadBalancer.ingress?.map(({ ip, hostname }) => ip ?? hostname) ?? [];
    log.info({ service: row.name, addresses, reason, message }, "load-balancer addresses");
  }

  /** Only onto what was decided upon: a newer state comes by the watch, and is looked at then. */
  async #patch(service: Service, status: StatusPatch, signal: AbortSignal): Promise<boolean> {
    const { name = "", namespace, resourceVersion } = service.metadata;
    try {
      await this.#options.client.patch(resources.services, name, {
        namespace,
        subresource: "status",
        type: "merge",
        patch: { metadata: { resourceVersion }, status },
        fieldManager: "tsilium-operator-lb-ipam",
        signal,
      });
      return true;
    } catch (error) {
      if (KubeError.isConflict(error) || KubeError.isNotFound(error)) return false;
      throw error;
    }
  }
}
