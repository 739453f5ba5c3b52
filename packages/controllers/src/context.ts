// What all controllers share: the client, one cache per resource, the log, and the signal that ends them.
import { resources, type KubeClient, type KubeObject, type Resource } from "@tsilium/kube";
import { Cache, type CacheOptions } from "./cache.ts";
import { labelTerms, selectorTerm, serviceOfSlice } from "./service-indexes.ts";

export type Log = {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};

export class Caches {
  readonly pods;
  readonly nodes;
  readonly namespaces;
  readonly services;
  readonly serviceAccounts;
  readonly endpointSlices;
  readonly endpoints;
  readonly deployments;
  readonly replicaSets;
  readonly daemonSets;
  readonly statefulSets;
  readonly controllerRevisions;
  readonly jobs;
  readonly leases;
  readonly definitions;

  constructor(client: KubeClient, options: { readonly signal: AbortSignal; readonly log: Log }) {
    const cache = <T extends KubeObject>(
      resource: Resource<T>,
      indexes: CacheOptions<T>["indexes"] = {},
    ) =>
      new Cache(client, resource, {
        indexes,
        signal: options.signal,
        onError: (error) => options.log.warn({ error, resource: resource.plural }, "watch failed"),
      });
    this.pods = cache(resources.pods, { label: labelTerms });
    this.nodes = cache(resources.nodes);
    this.namespaces = cache(resources.namespaces);
    this.services = cache(resources.services, { selector: selectorTerm });
    this.serviceAccounts = cache(resources.serviceAccounts);
    this.endpointSlices = cache(resources.endpointSlices, { service: serviceOfSlice });
    this.endpoints = cache(resources.endpoints);
    this.deployments = cache(resources.deployments);
    this.replicaSets = cache(resources.replicaSets);
    this.daemonSets = cache(resources.daemonSets);
    this.statefulSets = cache(resources.statefulSets);
    this.controllerRevisions = cache(resources.controllerRevisions);
    this.jobs = cache(resources.jobs);
    this.leases = cache(resources.leases);
    this.definitions = cache(resources.customResourceDefinitions);
  }

  all(): readonly Cache<KubeObject>[] {
    return Object.values(this);
  }
}

export type Context = {
  readonly client: KubeClient;
  readonly caches: Caches;
  readonly log: Log;
  readonly signal: AbortSignal;
};
