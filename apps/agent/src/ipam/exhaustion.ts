// Says where people look that a pool has run dry: a counter, and an Event of the Node (`kubectl describe node`), one per
// pool and minute at the most.
import { randomUUID } from "node:crypto";
import type { IpamError, PoolFamily } from "@tsilium/ipam";
import { type Event, type KubeClient, resources } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import type { Counter, Registry } from "prom-client";
import { exhaustedCounter } from "./metrics.ts";

export type ExhaustionOptions = {
  readonly client: Pick<KubeClient, "create">;
  readonly nodeName: string;
  readonly registry: Registry;
  readonly log: Logger;
  readonly stop: AbortSignal;
};

const quietMs = 60_000;
const patienceMs = 5_000;

export class Exhaustion {
  readonly #options: ExhaustionOptions;
  readonly #refused: Counter<"pool" | "family">;
  readonly #toldAt = new Map<string, number>();

  constructor(options: ExhaustionOptions) {
    this.#options = options;
    this.#refused = exhaustedCounter(options.registry);
  }

  /** Somebody was refused. */
  tell({ pool, family }: PoolFamily, { message }: IpamError): void {
    this.#refused.inc({ pool, family: `ipv${family}` });
    const key = `${pool}/${family}`;
    const now = performance.now();
    if (now - (this.#toldAt.get(key) ?? -Infinity) < quietMs) return;
    this.#toldAt.set(key, now);
    this.#options.log.warn({ pool, family: `ipv${family}` }, message);
    void this.#record(message);
  }

  async #record(message: string): Promise<void> {
    const { client, nodeName: name, log, stop } = this.#options;
    const at = new Date().toISOString();
    const event: Event = {
      metadata: { name: `${name}.${randomUUID().slice(0, 13)}`, namespace: "default" },
      involvedObject: { apiVersion: "v1", kind: "Node", name, uid: name },
      type: "Warning",
      reason: "IPAMPoolExhausted",
      message,
      count: 1,
      firstTimestamp: at,
      lastTimestamp: at,
      source: { component: "tsilium-agent", host: name },
    };
    try {
      const signal = AbortSignal.any([stop, AbortSignal.timeout(patienceMs)]);
      await client.create(resources.events, event, { namespace: "default", signal });
    } catch (error) {
      log.debug({ error }, "the Event of an exhausted pool cannot be written");
    }
  }
}
