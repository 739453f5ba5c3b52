// A pod that asks again and again, each time from another port, so that every one of its flows is known by name.
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../services/requests.ts";
import { endsOf } from "./lines.ts";
import type { SeenFlow } from "./seen.ts";

export type TickerOptions = {
  readonly client: Client;
  /** An echo server's. */
  readonly address: string;
  readonly firstPort: number;
  readonly intervalMs: number;
};

/** UDP requests, one after the other. `await using ticker = new Ticker(...)`: it ends with the block. */
export class Ticker implements AsyncDisposable {
  readonly #options: TickerOptions;
  readonly #running: Promise<void>;
  #ending = false;
  /** Of asked requests, by port: when, in UNIX milliseconds. */
  readonly asked = new Map<number, number>();

  constructor(options: TickerOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Resolves when the last one has been answered, or given up. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.#running;
  }

  /** Port -> how many of the flows are of its request. Those of others are left out. */
  countIn(flows: readonly SeenFlow[], node: string): Map<number, number> {
    const counts = new Map([...this.asked.keys()].map((port) => [port, 0]));
    for (const flow of flows) {
      if (flow.node_name !== node) continue;
      const { source, destination } = endsOf(flow);
      for (const port of [source.port, destination.port]) {
        const count = counts.get(port ?? 0);
        if (port !== undefined && count !== undefined) counts.set(port, count + 1);
      }
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }

  async #run(): Promise<void> {
    const { client, address, firstPort, intervalMs } = this.#options;
    for (let port = firstPort; !this.#ending; port++) {
      this.asked.set(port, Date.now());
      await client.one({ protocol: "udp", address, port: 8080, timeoutMs: 500, fromPort: port });
      await sleep(intervalMs);
    }
  }
}
