// Takes back CiliumIdentities that nobody uses. Every deletion is bound to the very version of the object that was
// found unused, so that an agent that begins to need it meanwhile, and says so by taking the mark off, wins.
import { setTimeout as sleep } from "node:timers/promises";
import { unusedAnnotation } from "@tsilium/identity/model.ts";
import {
  type CiliumEndpoint,
  type KubeClient,
  KubeError,
  reflectObserved,
  resources,
  type WatchObserver,
} from "@tsilium/kube";
import type { Logger, PartHealth } from "@tsilium/runtime";
import { WatchHealth } from "../watch-health.ts";
import { type DueIdentity, IdentityBook } from "./book.ts";
import { deletionsPerSecond, haste } from "./decide.ts";

export type IdentityGcOptions = {
  readonly client: KubeClient;
  /** Between looks. */
  readonly intervalMs: number;
  /** For which an identity is unused before it is marked, and marked before it goes. */
  readonly windowMs: number;
  /** Deletions a second at most; undefined: by churn alone. */
  readonly ceilingPerSecond: number | undefined;
  readonly onRemoved: () => void;
  readonly onRun: (outcome: "success" | "fail") => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type IdentityGcStats = ReturnType<IdentityBook["counts"]>;

/** Requests under way at once. */
const concurrency = 8;
/** Longest time without a look at how many numbers are left. */
const attentionMs = 10_000;

export class IdentityGc {
  readonly #options: IdentityGcOptions;
  readonly #book = new IdentityBook();
  readonly #watches = {
    identities: new WatchHealth("ciliumidentities"),
    endpoints: new WatchHealth("ciliumendpoints"),
  };
  readonly #stopped: Promise<unknown>;
  #synced = false;
  /** Identities that came since the last run began. */
  #come = 0;
  #failures = 0;

  private constructor(options: IdentityGcOptions) {
    this.#options = options;
    const { client, signal } = options;
    const book = this.#book;
    const identities = reflectObserved(client, resources.ciliumIdentities, {
      signal,
      observer: observerOf(this.#watches.identities),
      trim: ({ metadata }) => ({ metadata, "security-labels": {} }),
      handlers: {
        upsert: (object) => {
          const before = book.size;
          book.identitySeen(object, Date.now());
          if (this.#synced && book.size > before) this.#come++;
        },
        delete: (object) => book.identityGone(object),
      },
    });
    const endpoints = reflectObserved(client, resources.ciliumEndpoints, {
      signal,
      observer: observerOf(this.#watches.endpoints),
      trim: onlyIdentity,
      handlers: {
        upsert: (endpoint) => book.endpointSeen(endpoint, Date.now()),
        delete: (endpoint) => book.endpointGone(endpoint, Date.now()),
      },
    });
    const running = Promise.all([identities.synced, endpoints.synced]).then(() => this.#run());
    this.#stopped = Promise.allSettled([running, identities.done, endpoints.done]);
  }

  /** Begins; ends with its signal. Nothing is judged before all identities and CiliumEndpoints are known. */
  static start(options: IdentityGcOptions): IdentityGc {
    return new IdentityGc(options);
  }

  stats(): IdentityGcStats {
    return this.#book.counts();
  }

  health(): PartHealth[] {
    const { used, unused, marked } = this.stats();
    const known = `${used} in use, ${unused + marked} not, of which ${marked} marked`;
    return [
      ...Object.values(this.#watches).map((watch) => watch.part()),
      {
        name: "identity collection",
        state: this.#failures === 0 ? "ok" : "degraded",
        message: this.#failures === 0 ? known : `${this.#failures} could not be written; ${known}`,
      },
    ];
  }

  /** Resolves when nothing is running any more. */
  async stop(): Promise<void> {
    await this.#stopped;
  }

  async #run(): Promise<void> {
    const { intervalMs, signal } = this.#options;
    this.#synced = true;
    let lastMs = performance.now();
    while (!signal.aborted) {
      const restMs = lastMs + intervalMs * haste(this.#book.size) - performance.now();
      if (restMs > 0) {
        await sleep(Math.min(restMs, attentionMs), undefined, { signal }).catch(() => undefined);
        continue;
      }
      const newPerSecond = (this.#come * 1000) / Math.max(1, performance.now() - lastMs);
      lastMs = performance.now();
      this.#come = 0;
      await this.#sweep(newPerSecond);
    }
  }

  async #sweep(newPerSecond: number): Promise<void> {
    const { windowMs, ceilingPerSecond, log, signal, onRun } = this.#options;
    const due = this.#book.due(Date.now(), windowMs * haste(this.#book.size));
    const deletions = due.filter(({ verdict }) => verdict === "delete").length;
    const perSecond = deletionsPerSecond(due.length, newPerSecond, ceilingPerSecond);
    const done = { mark: 0, unmark: 0, delete: 0 };
    let failures = 0;
    for (let at = 0; at < due.length && !signal.aborted; at += concurrency) {
      const begunMs = performance.now();
      const batch = due.slice(at, at + concurrency);
      const outcomes = await Promise.all(batch.map((identity) => this.#treat(identity)));
      for (const [index, outcome] of outcomes.entries())
        if (outcome === "done") done[(batch[index] as DueIdentity).verdict]++;
        else if (outcome === "failed") failures++;
      const restMs = (batch.length * 1000) / perSecond - (performance.now() - begunMs);
      await sleep(Math.max(0, restMs), undefined, { signal }).catch(() => undefined);
    }
    this.#failures = failures;
    if (signal.aborted) return;
    onRun(failures === 0 ? "success" : "fail");
    if (due.length > 0)
      log.info(
        { ...done, failures, due: deletions, perSecond: Math.round(perSecond) },
        "collected identities that nobody uses",
      );
  }

  async #treat(identity: DueIdentity): Promise<"done" | "passed" | "failed"> {
    const { log, signal, onRemoved } = this.#options;
    if (identity.verdict !== "unmark" && !this.#book.stands(identity)) return "passed";
    try {
      if (identity.verdict === "delete") {
        if (await this.#delete(identity)) onRemoved();
      } else await this.#mark(identity);
      return "done";
    } catch (error) {
      // It changed meanwhile, or is gone: the watch tells, and the next run judges it anew.
      if (signal.aborted || KubeError.isConflict(error) || KubeError.isNotFound(error))
        return "passed";
      log.warn({ identity: identity.name, error }, `cannot ${identity.verdict} it`);
      return "failed";
    }
  }

  #delete({ name, uid, resourceVersion }: DueIdentity): Promise<boolean> {
    const { client, signal } = this.#options;
    return client.delete(resources.ciliumIdentities, name, {
      signal,
      preconditions: { uid, resourceVersion },
    });
  }

  async #mark({ name, uid, resourceVersion, verdict }: DueIdentity): Promise<void> {
    const { client, signal } = this.#options;
    const value = verdict === "mark" ? new Date().toISOString() : null;
    await client.patch(resources.ciliumIdentities, name, {
      type: "merge",
      patch: { metadata: { uid, resourceVersion, annotations: { [unusedAnnotation]: value } } },
      signal,
    });
  }
}

/** A cluster has as many as pods: of each only what is asked for. */
function onlyIdentity({ metadata, status }: CiliumEndpoint): CiliumEndpoint {
  const { name = "", namespace = "", uid = "", resourceVersion = "" } = metadata;
  const id = status?.identity?.id;
  return {
    metadata: { name, namespace, uid, resourceVersion },
    ...(id === undefined ? {} : { status: { identity: { id } } }),
  };
}

function observerOf(health: WatchHealth): WatchObserver {
  return {
    event: () => undefined,
    synced: health.progress,
    progress: health.progress,
    onError: health.onError,
  };
}
