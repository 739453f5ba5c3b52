// The health check node ports of all services: opened, told of changes, closed, and tried again when they are taken.
import type { Logger } from "@tsilium/runtime";
import { type CheckedService, HealthCheckServer } from "./server.ts";

export type HealthCheckPortsOptions = {
  /** Whether what is decided is in the kernel. */
  readonly isProxyHealthy: () => boolean;
  /** Addresses to listen on; undefined: any. Asked at each attempt to listen. */
  readonly hosts: () => readonly (string | undefined)[];
  readonly log: Logger;
  /** How long a port that is taken is left alone. */
  readonly retryMs?: number;
};

const defaultRetryMs = 5_000;

/** What is open, or to be opened, of a service. */
type Held = {
  readonly port: number;
  readonly server: HealthCheckServer;
  /** Why it does not listen; undefined while it does or is about to. */
  problem: string | undefined;
};

export class HealthCheckPorts implements AsyncDisposable {
  readonly #options: HealthCheckPortsOptions;
  readonly #held = new Map<string, Held>();
  /** Openings and closings, one after the other: a port that moves between services is closed before it is opened. */
  #work: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HealthCheckPortsOptions) {
    this.#options = options;
  }

  /** What a service is now; undefined: it is not to be told of (any more). @param key the service's */
  set(key: string, wanted: CheckedService | undefined): void {
    const held = this.#held.get(key);
    if (held && held.port === wanted?.healthCheck.port) {
      held.server.subject = wanted;
      return;
    }
    if (held) {
      this.#held.delete(key);
      this.#queue(() => held.server[Symbol.asyncDispose]());
    }
    if (wanted) this.#open(key, wanted);
  }

  /** Ports that do not listen, a sentence each. */
  problems(): string[] {
    return [...this.#held].flatMap(([key, { port, problem }]) =>
      problem === undefined ? [] : [`${key}: healthCheckNodePort ${port}: ${problem}`],
    );
  }

  get size(): number {
    return this.#held.size;
  }

  /** Listens anew on all ports: the addresses have changed. */
  relocate(): void {
    for (const held of this.#held.values())
      this.#queue(async () => {
        await held.server[Symbol.asyncDispose]();
        await this.#listen(held);
      });
  }

  /** Resolves when what was asked for so far was tried. */
  settled(): Promise<void> {
    return this.#work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    const servers = [...this.#held.values()].map(({ server }) => server);
    this.#held.clear();
    await this.#work;
    clearTimeout(this.#timer);
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
  }

  #open(key: string, wanted: CheckedService): void {
    const server = new HealthCheckServer(wanted, this.#options.isProxyHealthy);
    const held: Held = { port: wanted.healthCheck.port, server, problem: undefined };
    this.#held.set(key, held);
    this.#queue(() => this.#listen(held));
  }

  async #listen(held: Held): Promise<void> {
    const { log, hosts } = this.#options;
    if (!this.#isWanted(held)) return;
    try {
      await held.server.listen(held.port, hosts());
      held.problem = undefined;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const problem = code === "EADDRINUSE" ? "another process listens there" : message;
      if (problem !== held.problem)
        log.warn({ port: held.port, error }, "a health check node port cannot be had");
      held.problem = problem;
      this.#retryLater();
    }
  }

  #retryLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      for (const held of this.#held.values())
        if (held.problem !== undefined) this.#queue(() => this.#listen(held));
    }, this.#options.retryMs ?? defaultRetryMs).unref();
  }

  #isWanted(held: Held): boolean {
    return [...this.#held.values()].includes(held);
  }

  #queue(action: () => Promise<void>): void {
    this.#work = this.#work.then(action);
  }
}
