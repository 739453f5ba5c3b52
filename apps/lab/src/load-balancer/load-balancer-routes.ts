// The world's way to load balancers: what a router in front of a cluster learns from its nodes, by BGP say, the lab's
// daemon reads from the API server. Routes follow services, pools, endpoints and the readiness of nodes.
import type { KubeClient } from "@tsilium/kube";
import type { Prefix } from "@tsilium/net";
import type { LabLayout, NodeLayout } from "../layout.ts";
import { decideRoutes, type LoadBalancerRoute } from "./decide.ts";
import { RouteWriter } from "./route-writer.ts";
import { ServiceWatch } from "./service-watch.ts";

export type RoutesOptions = {
  readonly client: KubeClient;
  readonly lab: LabLayout;
  readonly nodes: readonly NodeLayout[];
  readonly reserved: readonly Prefix[];
  /** `routes` are others now. */
  readonly changed: () => void;
  readonly log: (message: string) => void;
};

/** A burst of changes is one pass. */
const settleMs = 10;
const retryMs = 1000;

export class LoadBalancerRoutes implements Disposable {
  readonly #options: RoutesOptions;
  readonly #stop = new AbortController();
  readonly #watch: ServiceWatch;
  readonly #writer: RouteWriter;
  #readyNodes: ReadonlySet<string> = new Set();
  #routes = new Map<string, LoadBalancerRoute>();
  #timer: NodeJS.Timeout | undefined;

  /** Starts nothing. @throws SyscallError */
  constructor(options: RoutesOptions) {
    this.#options = options;
    const { client, reserved, lab, nodes, log } = options;
    this.#writer = RouteWriter.open(lab, nodes);
    this.#watch = new ServiceWatch({
      client,
      reserved,
      log,
      signal: this.#stop.signal,
      changed: () => this.#schedule(settleMs),
    });
  }

  start(): void {
    this.#watch.start();
  }

  nodesAre(ready: ReadonlySet<string>): void {
    this.#readyNodes = new Set(ready);
    this.#schedule(settleMs);
  }

  /** Those in the kernel. */
  get routes(): readonly LoadBalancerRoute[] {
    return [...this.#routes.values()].toSorted((a, b) => a.prefix.compare(b.prefix));
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    clearTimeout(this.#timer);
    this.#writer[Symbol.dispose]();
  }

  #schedule(delayMs: number): void {
    if (!this.#stop.signal.aborted) this.#timer ??= setTimeout(() => this.#reconcile(), delayMs);
  }

  #reconcile(): void {
    this.#timer = undefined;
    const nodes = this.#options.nodes
      .map(({ name }) => name)
      .filter((name) => this.#readyNodes.has(name));
    const wanted = decideRoutes(this.#watch.needs(), nodes, this.#routes);
    const before = this.#routes;
    const now = new Map<string, LoadBalancerRoute>();
    for (const [key, route] of wanted) {
      const earlier = before.get(key);
      if (earlier?.node === route.node || this.#tried(() => this.#writer.put(route)))
        now.set(key, route);
      else if (earlier) now.set(key, earlier);
    }
    for (const [key, route] of before)
      if (!wanted.has(key) && !this.#tried(() => this.#writer.remove(route.prefix)))
        now.set(key, route);
    this.#routes = now;
    if (text(before) !== text(now)) this.#options.changed();
  }

  /** False, and another pass later, when the kernel refuses. */
  #tried(change: () => void): boolean {
    try {
      change();
      return true;
    } catch (error) {
      this.#options.log(`load balancer routes: ${(error as Error).message}`);
      this.#schedule(retryMs);
      return false;
    }
  }
}

function text(routes: ReadonlyMap<string, LoadBalancerRoute>): string {
  return JSON.stringify([...routes.values()]);
}
