// The validating webhook: a server, its certificate, and the configuration that makes API servers ask it. Nothing of it
// can stop the operator: without it policies are judged by the agents, and their status says what is wrong.
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "@tsilium/kube";
import type { Logger, PartHealth } from "@tsilium/runtime";
import type { PolicyJudge } from "../policies/judge.ts";
import { namesOfReach, reachOf } from "./address.ts";
import {
  configurationFor,
  ensureConfiguration,
  removeConfiguration,
  type WebhookConfiguration,
} from "./configuration.ts";
import { WebhookServer, type WebhookServerOptions } from "./server.ts";

export type WebhookOptions = {
  readonly client: KubeClient;
  /** Where to listen; empty: no webhook. */
  readonly address: string;
  /** How API servers reach it: see `reachOf`. */
  readonly reachedAt: string;
  readonly judges: Readonly<Record<string, PolicyJudge>>;
  readonly onAnswer: WebhookServerOptions["onAnswer"];
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** How often the configuration is looked at. */
  readonly checkMs?: number;
};

export class PolicyWebhook {
  readonly #options: WebhookOptions;
  #health: Omit<PartHealth, "name"> = { state: "ok", message: "starting" };
  #running: Promise<void> = Promise.resolve();

  private constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** Begins; its signal ends it. */
  static start(options: WebhookOptions): PolicyWebhook {
    const webhook = new PolicyWebhook(options);
    webhook.#running = webhook.#run();
    return webhook;
  }

  health(): PartHealth {
    return { name: "policy webhook", ...this.#health };
  }

  /** Resolves when the signal has ended it. */
  get stopped(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    const { client, address, log, signal, checkMs = 60_000 } = this.#options;
    while (!signal.aborted) {
      try {
        if (address === "") {
          await removeConfiguration(client, signal);
          return this.#set("disabled", "switched off");
        }
        return await this.#serve();
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error }, "cannot serve the policy webhook, will try again");
        this.#set("degraded", (error as Error).message);
      }
      await sleep(checkMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #serve(): Promise<void> {
    const { client, address, reachedAt, judges, onAnswer, log } = this.#options;
    // Loaded when there is a use for it: it takes megabytes.
    const { Authority } = await import("@tsilium/apiserver/certificates.ts");
    // Of another name than what it vouches for, which would be taken for self-signed.
    const authority = await Authority.make("tsilium-policy-webhook-ca");
    const names = namesOfReach(await reachOf(reachedAt, { server: client.server, port: 0 }));
    const credentials = await authority.issue({
      subject: [{ CN: ["tsilium-policy-webhook"] }],
      usage: "server",
      sans: names,
    });
    await using server = new WebhookServer({
      ...credentials,
      judges,
      onAnswer,
      onFault: (error) => log.error({ error }, "a review failed by our own fault"),
    });
    const port = await server.listen(address);
    log.info({ address, port, names }, "policy webhook is listening");
    const reach = await reachOf(reachedAt, { server: client.server, port });
    await this.#keep(configurationFor(reach, authority.cert));
  }

  /** Until the signal. The configuration stays when we end: the next operator makes it its own. */
  async #keep(wanted: WebhookConfiguration): Promise<void> {
    const { client, log, signal, checkMs = 60_000 } = this.#options;
    while (!signal.aborted) {
      try {
        const outcome = await ensureConfiguration(client, wanted, signal);
        if (outcome !== "kept") log.info({ outcome }, "policy webhook is configured");
        this.#set("ok", "API servers ask it");
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ error }, "cannot configure the policy webhook, will try again");
        this.#set("degraded", (error as Error).message);
      }
      await sleep(checkMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #set(state: PartHealth["state"], message: string): void {
    this.#health = { state, message };
  }
}
