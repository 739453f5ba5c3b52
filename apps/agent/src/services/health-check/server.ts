// One health check node port: who balances over nodes asks here whether this one has endpoints of the service.
import type { Server } from "node:http";
import { healthAnswer } from "@tsilium/loadbalancer";
import type { DecidedService, HealthCheck } from "@tsilium/loadbalancer/model.ts";

// See kube's transport.ts: importing node:http costs 15 MB.
const { createServer } = process.getBuiltinModule("node:http");

/** A service that a port tells of. */
export type CheckedService = DecidedService & { readonly healthCheck: HealthCheck };

/** A checker that keeps its connection must not keep memory of a node that has many. */
const idleTimeoutMs = 10_000;

/** Answers whatever path is asked for, as kube-proxy does. */
export class HealthCheckServer implements AsyncDisposable {
  subject: CheckedService;
  readonly #isProxyHealthy: () => boolean;
  readonly #servers: Server[] = [];

  constructor(subject: CheckedService, isProxyHealthy: () => boolean) {
    this.subject = subject;
    this.#isProxyHealthy = isProxyHealthy;
  }

  /**
   * Listens on every host. @param hosts addresses; undefined: all that there are, of both families
   * @throws NodeJS.ErrnoException EADDRINUSE, EACCES; nothing listens then
   */
  async listen(port: number, hosts: readonly (string | undefined)[]): Promise<void> {
    try {
      for (const host of hosts) await this.#listenOn(port, host);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.splice(0).map(closed));
  }

  async #listenOn(port: number, host: string | undefined): Promise<void> {
    const server = createServer({ keepAliveTimeout: idleTimeoutMs }, (_, response) => {
      const { status, headers, body } = healthAnswer(this.subject, this.#isProxyHealthy());
      response.writeHead(status, headers).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
        server.off("error", reject);
        resolve();
      });
    });
    server.unref();
    this.#servers.push(server);
  }
}

async function closed(server: Server): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
}
