// Every controller of a small cluster, started in one go once the caches are full.
import type { KubeClient } from "@tsilium/kube";
import { Caches, type Context, type Log } from "./context.ts";
import type { Controller } from "./controller.ts";
import { DaemonSetController } from "./daemon-set.ts";
import { DefinitionController } from "./definition.ts";
import { DeploymentController } from "./deployment.ts";
import { JobController } from "./job.ts";
import { publishApiEndpoints } from "./api-endpoints.ts";
import { EndpointMirror } from "./endpoint-mirror.ts";
import { EndpointSliceController } from "./endpoint-slice.ts";
import { EndpointsController } from "./endpoints.ts";
import { GarbageCollector } from "./garbage.ts";
import { NamespaceController } from "./namespace.ts";
import { NodeController, type NodeOptions } from "./node.ts";
import { ReplicaSetController } from "./replica-set.ts";
import { Scheduler } from "./scheduler.ts";
import { StatefulSetController } from "./stateful-set.ts";

export type ControllerOptions = {
  readonly client: KubeClient;
  readonly log: Log;
  /** Endpoints of the service "kubernetes"; none when nobody in the cluster can reach the API. */
  readonly apiEndpoints?: readonly { readonly address: string; readonly port: number }[];
  readonly node?: NodeOptions;
};

/** They need to run only once per cluster; there is no leader election yet. */
export class Controllers {
  readonly #stopper: AbortController;
  readonly #controllers: readonly Controller[];
  readonly #caches: Caches;
  #ready: Promise<void> = Promise.resolve();

  private constructor(context: Context, options: ControllerOptions, stopper: AbortController) {
    this.#stopper = stopper;
    this.#caches = context.caches;
    this.#controllers = [
      new NodeController(context, options.node),
      new NamespaceController(context),
      new Scheduler(context),
      new ReplicaSetController(context),
      new DeploymentController(context),
      new DaemonSetController(context),
      new StatefulSetController(context),
      new JobController(context),
      new EndpointSliceController(context),
      new EndpointsController(context),
      new EndpointMirror(context),
      new DefinitionController(context),
      new GarbageCollector(context),
    ];
  }

  /** Fills the caches, then starts every controller. */
  static start(options: ControllerOptions): Controllers {
    const stopper = new AbortController();
    const { client, log } = options;
    const { signal } = stopper;
    const context: Context = { client, log, signal, caches: new Caches(client, { signal, log }) };
    const controllers = new Controllers(context, options, stopper);
    controllers.#ready = controllers.#begin(context, options.apiEndpoints ?? []);
    controllers.#ready.catch(() => undefined);
    return controllers;
  }

  /** Resolves when all controllers are at work; rejects when stopped before. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  /** Resolves when nothing of ours runs any more. */
  async stop(): Promise<void> {
    this.#stopper.abort();
    await this.#ready.catch(() => undefined);
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    await Promise.all(this.#caches.all().map((cache) => cache.done));
  }

  async #begin(
    context: Context,
    apiEndpoints: ControllerOptions["apiEndpoints"] & object,
  ): Promise<void> {
    await Promise.all(this.#caches.all().map((cache) => cache.synced));
    await publishApiEndpoints(context, apiEndpoints);
    for (const controller of this.#controllers) controller.start();
  }
}
