// Our own proxies (DNS, Kafka) as engines: a process of Node's in a cgroup, told what to enforce over its control socket.
import { type ControlClient } from "@tsilium/proxy/control/index.ts";
import {
  adopt,
  findStarted,
  isRunning,
  lastWords,
  launch,
  type LaunchOptions,
  type RunningProcess,
  stop,
} from "@tsilium/proxy/launch/index.ts";
import type {
  L7Engine,
  ListenerProblem,
  MovedConnection,
  ProxyStatus,
  ToProxy,
} from "@tsilium/proxy/model.ts";
import { setTimeout as sleep } from "node:timers/promises";
import type { Direction } from "@tsilium/policy/model.ts";

export type NodeProxyOptions = {
  readonly direction: Direction;
  readonly process: LaunchOptions & { readonly pidFile: string };
  /** Of the proxy's control socket; starts to connect when the proxy does. */
  readonly client: ControlClient;
  /** Ours: a proxy of another version is replaced, since the two may not understand each other. */
  readonly version: string;
};

const pollMs = 20;

export class NodeProxy implements L7Engine {
  readonly direction: Direction;
  readonly client: ControlClient;
  readonly #options: NodeProxyOptions;

  constructor(options: NodeProxyOptions) {
    this.#options = options;
    this.direction = options.direction;
    this.client = options.client;
  }

  /** Resolves when it answers. One that was started otherwise (another setting, another version) is replaced. */
  async start(signal: AbortSignal): Promise<void> {
    const { process, client, version } = this.#options;
    const running = adopt(process) ?? (await this.#replace());
    client.start();
    await this.#greeted(running, signal);
    // "0.1.0" or "tsilium-kafka 0.1.0"
    if (client.hello?.version.split(" ").at(-1) === version) return;
    await this.#greeted(await this.#replace(), signal);
  }

  apply(update: Extract<ToProxy, { kind: "apply" }>): Promise<readonly ListenerProblem[]> {
    return this.#options.client.apply(update);
  }

  move(connections: readonly MovedConnection[]): Promise<void> {
    return this.#options.client.move(connections);
  }

  status(): Promise<ProxyStatus> {
    return this.#options.client.status();
  }

  /** The proxy goes on. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.client[Symbol.asyncDispose]();
  }

  async #greeted(running: RunningProcess, signal: AbortSignal): Promise<void> {
    const { process, client } = this.#options;
    while (client.hello?.pid !== running.pid) {
      signal.throwIfAborted();
      if (!isRunning(running))
        throw new Error(`it ended at once: ${lastWords(process.logFile, 2)}`);
      await sleep(pollMs, undefined, { signal });
    }
  }

  async #replace(): Promise<RunningProcess> {
    const { process } = this.#options;
    const other = findStarted(process.pidFile);
    if (other) await stop(other);
    return launch(process);
  }
}
