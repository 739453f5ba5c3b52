// core/v1 Endpoints for every Service with a selector: what its EndpointSlices of the first family say, as one object.
import { objectKey, resources, type Endpoints, type Service } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { serviceFacts } from "./endpoint-facts.ts";
import { endpointsFor, endpointsManagerLabel, overCapacity } from "./endpoint-subsets.ts";
import { isOurs } from "./endpoint-slice.ts";
import { ignoreNotFound, isNamespaceGone, isOvertaken } from "./failures.ts";
import { isTerminating, same } from "./objects.ts";
import { serviceOfSlice } from "./service-indexes.ts";
import { textOf } from "./texts.ts";

/** Nothing of the cluster works by these objects: what changes in a burst is written once. */
const gatherMs = 200;

export class EndpointsController extends Controller {
  readonly #gathering = new Set<string>();

  constructor(context: Context) {
    super(context, { name: "endpoints", concurrency: 4 });
  }

  protected watch(): void {
    const { services, endpointSlices, endpoints } = this.context.caches;
    services.table.subscribe(
      ({ kind, row, previous }) => {
        if (kind === "delete" || !previous || serviceFacts(row) !== serviceFacts(previous))
          this.#addSoon(objectKey(row));
      },
      { replay: true },
    );
    endpointSlices.table.subscribe(({ row }) => {
      for (const service of serviceOfSlice(row)) this.#addSoon(service);
    });
    endpoints.table.subscribe(({ row }) => this.#addSoon(objectKey(row)), { replay: true });
  }

  #addSoon(key: string): void {
    if (this.#gathering.has(key)) return;
    this.#gathering.add(key);
    this.queue.addAfter(key, gatherMs);
  }

  protected async reconcile(key: string): Promise<void> {
    this.#gathering.delete(key);
    const { caches } = this.context;
    const service = caches.services.get(key);
    const present = caches.endpoints.get(key);
    if (!service || isTerminating(service)) {
      // Those that nobody made for a service, for a leader's election for one, are their makers'.
      if (present?.metadata.labels?.[endpointsManagerLabel] !== undefined)
        await this.#delete(present);
      return;
    }
    // Endpoints of a service without a selector are its owner's.
    if (Object.keys(service.spec.selector ?? {}).length === 0) return;
    await this.#write(service, present);
  }

  async #write(service: Service, present: Endpoints | undefined): Promise<void> {
    const { client, caches, signal } = this.context;
    const slices = caches.endpointSlices.table.by("service", objectKey(service)).filter(isOurs);
    const wanted = endpointsFor(service, slices);
    if (present && isAsWanted(present, wanted)) return;
    try {
      const written = present
        ? await client.replace(resources.endpoints, replaced(present, wanted), { signal })
        : await client.create(resources.endpoints, wanted, { signal });
      await caches.endpoints.seen([written]);
    } catch (error) {
      if (!isNamespaceGone(error) && !isOvertaken(error)) throw error;
    }
  }

  async #delete({ metadata }: Endpoints): Promise<void> {
    const { client, signal } = this.context;
    const { name = "", namespace } = metadata;
    await ignoreNotFound(client.delete(resources.endpoints, name, { namespace, signal }));
  }
}

function isAsWanted(present: Endpoints, wanted: Endpoints): boolean {
  const { labels = {}, annotations = {} } = present.metadata;
  return (
    textOf(present.subsets ?? []) === textOf(wanted.subsets ?? []) &&
    same(labels, wanted.metadata.labels ?? {}) &&
    Object.entries(wanted.metadata.annotations ?? {}).every(
      ([name, value]) => annotations[name] === value,
    ) &&
    (annotations[overCapacity] === undefined) === (wanted.metadata.annotations === undefined)
  );
}

/** Annotations of others stay. */
function replaced(present: Endpoints, wanted: Endpoints): Endpoints {
  const { [overCapacity]: _, ...others } = present.metadata.annotations ?? {};
  const { labels, annotations = {} } = wanted.metadata;
  return {
    ...wanted,
    metadata: {
      ...present.metadata,
      ...(labels ? { labels } : {}),
      annotations: { ...others, ...annotations },
    },
  };
}
