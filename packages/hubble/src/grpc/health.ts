// grpc.health.v1: whether the server, and each of its services, is able to serve.
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  Health as HealthService,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../gen/grpc/health/v1/health_pb.ts";

/** Statuses by service; "" is the server as a whole. */
export class Health {
  readonly #serving = new Map<string, boolean>([["", true]]);
  readonly #watchers = new Set<() => void>();
  #closed = false;

  /** Idempotent. After `shutDown` nothing serves any more. */
  set(service: string, serving: boolean): void {
    this.#serving.set(service, serving && !this.#closed);
    for (const wake of this.#watchers) wake();
  }

  /** Everything stops to serve, for good. */
  shutDown(): void {
    this.#closed = true;
    for (const service of this.#serving.keys()) this.#serving.set(service, false);
    for (const wake of this.#watchers) wake();
  }

  /** undefined: not a service of ours. */
  status(service: string): ServingStatus | undefined {
    const serving = this.#serving.get(service);
    if (serving === undefined) return undefined;
    return serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }

  get services(): readonly string[] {
    return [...this.#serving.keys()];
  }

  /** The status now and after each change, until the signal. Changes that cancel each other out may be skipped. */
  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ServingStatus> {
    let last: ServingStatus | undefined;
    while (!signal.aborted) {
      const status = this.status(service) ?? ServingStatus.SERVICE_UNKNOWN;
      if (status !== last) yield (last = status);
      else await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#watchers.delete(wake);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      this.#watchers.add(wake);
      signal.addEventListener("abort", wake);
      if (signal.aborted) wake();
    });
  }
}

export function healthRoutes(router: ConnectRouter, health: Health): void {
  router.service(HealthService, {
    check({ service }) {
      const status = health.status(service);
      if (status === undefined) throw new ConnectError(`no service ${service}`, Code.NotFound);
      return { status };
    },
    list() {
      const statuses = health.services.map((service) => {
        const status = health.status(service) ?? ServingStatus.SERVICE_UNKNOWN;
        return [service, { status }] as const;
      });
      return { statuses: Object.fromEntries(statuses) };
    },
    async *watch({ service }, { signal }) {
      for await (const status of health.watch(service, signal)) yield { status };
    },
  });
}
