// The reconcilers between the agent's tables and the kernel or the API server, and what settles behind what.
import type { Datapath } from "@tsilium/datapath";
import { EndpointError, type EndpointPublisher, type Endpoints } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Node } from "@tsilium/node/model.ts";
import { Reconciler, type Table } from "@tsilium/tables";
import type { Stage } from "../barrier.ts";
import type { Reidentifier } from "../identity/reidentifier.ts";
import { endpointOperations } from "../kernel/endpoints.ts";
import { nodeOperations } from "../kernel/nodes.ts";
import type { NodePolicy } from "../policy/start.ts";
import type { Logger } from "@tsilium/runtime";

/** Everything is written again this often, whatever somebody else did to it meanwhile. */
const fullSyncMs = 5 * 60_000;
/** How long a pod's rows may take to reach the kernel before ADD gives up. */
const kernelPatienceMs = 10_000;

export type ReconcilersOptions = {
  readonly datapath: Datapath;
  readonly endpoints: Endpoints;
  readonly nodes: Table<Node>;
  readonly reidentifier: Reidentifier;
  readonly publisher: EndpointPublisher;
  readonly policy: NodePolicy;
  /** What services wait for. */
  readonly services: Stage;
  readonly log: Logger;
};

export class Reconcilers implements AsyncDisposable {
  readonly endpoints: Reconciler<Endpoint>;
  readonly #nodes;
  readonly #identities;
  readonly #published;
  readonly #reidentifier: Reidentifier;
  readonly #policy: NodePolicy;
  readonly #services: Stage;
  /** The API server has told everything: what it did not tell is not there. */
  #complete = false;

  constructor(options: ReconcilersOptions) {
    const { datapath, endpoints, nodes, reidentifier, publisher, policy, services, log } = options;
    const complete = () => this.#complete;
    this.#reidentifier = reidentifier;
    this.#policy = policy;
    this.#services = services;
    this.endpoints = new Reconciler({
      name: "endpoints",
      table: endpoints.table,
      operations: endpointOperations({
        map: datapath.endpoints,
        endpoints,
        onWritten: (row) => policy.endpoints.written(row),
      }),
      fullSyncMs,
      log,
    });
    this.#nodes = new Reconciler({
      name: "nodes",
      table: nodes,
      operations: nodeOperations({ map: datapath.nodes, routes: datapath.routes, complete }),
      fullSyncMs,
      log,
    });
    this.#identities = new Reconciler({
      name: "endpoint identities",
      table: reidentifier.table,
      operations: reidentifier.operations,
      log,
    });
    this.#published = new Reconciler({
      name: "ciliumendpoints",
      table: publisher.table,
      operations: publisher.operations,
      log,
    });
  }

  get all(): readonly Pick<Reconciler<never>, "name" | "status">[] {
    return [this.endpoints, this.#nodes, this.#identities, this.#published];
  }

  /** Those between tables and the kernel, which need no API server. */
  startKernel(): void {
    this.endpoints.start();
    this.#nodes.start();
  }

  /** Those that ask the API server, and the removal of what it no longer tells. */
  startCluster(): void {
    this.#complete = true;
    this.#nodes.fullSync();
    this.#identities.start();
    this.#published.start();
  }

  /**
   * Resolves when the kernel holds what the endpoint's row says, or nothing of it when it goes away.
   * @throws EndpointError kernel_refused with the kernel's reason, or the signal's reason
   */
  async inKernel({ id }: Endpoint, signal: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(kernelPatienceMs);
    try {
      await this.endpoints.wait(String(id), AbortSignal.any([signal, patience]));
    } catch (error) {
      if (!patience.aborted) throw error;
      const [first] = this.endpoints.status().failing;
      const reason = first?.error ?? "it took too long";
      throw new EndpointError("kernel_refused", `endpoint ${id}: ${reason}`, { cause: error });
    }
  }

  /** What a barrier waits for, upstream first. */
  stages(): Stage[] {
    const stage = (reconciler: Pick<Reconciler<never>, "name" | "status" | "settled">): Stage => ({
      name: reconciler.name,
      settled: (signal) => reconciler.settled(signal),
      lag: () => {
        const { pending, failing } = reconciler.status();
        const [first] = failing;
        if (first) return `${first.key} failing: ${first.error}`;
        return pending > 0 ? `${pending} pending` : undefined;
      },
    });
    const grace: Stage = {
      name: "identity grace time",
      settled: (signal) => this.#reidentifier.graceOver(signal),
      lag: () => {
        const { announced } = this.#reidentifier;
        return announced > 0
          ? `${announced} endpoints wait for peers to learn their identity`
          : undefined;
      },
    };
    const { endpoints, client } = this.#policy;
    const subjects: Stage = {
      name: "endpoint policies",
      settled: (signal) => endpoints.settled(signal),
      lag: () => endpoints.lag(),
    };
    const policy: Stage = {
      name: "policy",
      settled: (signal) => client.settled(signal),
      lag: () => client.lag(),
    };
    return [
      stage(this.#identities),
      grace,
      subjects,
      stage(this.endpoints),
      // Other nodes learn a new identity or address from there.
      stage(this.#published),
      policy,
      this.#services,
      stage(this.#nodes),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [this.#published, this.#identities, this.#nodes, this.endpoints];
    await Promise.all(running.map((reconciler) => reconciler.stop()));
  }
}
