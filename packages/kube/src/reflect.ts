// Keeps a consumer in step with a collection: list, then watch from there, for ever.
//
//   list: each page's upserts at once, at the end deletes of what vanished --> synced
//     ^                                                             |
//     |  410 Expired, or no answer for long                         v
//     +------------------------------------------- watch, resumed at the last version seen
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "./client.ts";
import type { SelectOptions } from "./options.ts";
import { KubeError } from "./errors.ts";
import { withoutManagedFields } from "./managed-fields.ts";
import { objectKey, type Resource } from "./resources.ts";
import type { KubeObject } from "./types/meta.ts";

/**
 * Called one at a time, in the server's order, with objects without managedFields. What a handler throws goes to
 * `onError`.
 */
export type ReflectHandlers<T> = {
  upsert(object: T): void;
  /** The last known state of an object that is gone. */
  delete(object: T): void;
  /** Once, after the first complete list has been handed over. */
  synced?(): void;
  /** Everything up to this resource version has been handed over. Never goes back. */
  progress?(resourceVersion: string): void;
  /** A list or watch failed and is tried again, or a handler threw. */
  onError?(error: unknown): void;
};

export type ReflectOptions<T> = SelectOptions & {
  /** Applied to each object before it is kept and handed over: drop what is not needed. */
  readonly trim?: (object: T) => T;
  readonly retry?: { readonly minMs: number; readonly maxMs: number };
};

/**
 * Runs until the signal aborts, then resolves; never rejects. An object that was replaced by another of the
 * same name is a delete and an upsert. An object unchanged over a relist is not handed over again.
 */
export async function reflect<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: ReflectOptions<T> & { readonly handlers: ReflectHandlers<T> },
): Promise<void> {
  await new Reflection(client, resource, options).run();
}

class Reflection<T extends KubeObject> {
  readonly #client: KubeClient;
  readonly #resource: Resource<T>;
  readonly #options: ReflectOptions<T> & { readonly handlers: ReflectHandlers<T> };
  readonly #known = new Map<string, T>();
  /** Where the next watch starts; undefined: list first. */
  #resourceVersion: string | undefined;
  #synced = false;

  constructor(
    client: KubeClient,
    resource: Resource<T>,
    options: ReflectOptions<T> & { readonly handlers: ReflectHandlers<T> },
  ) {
    this.#client = client;
    this.#resource = resource;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    const { minMs, maxMs } = this.#options.retry ?? { minMs: 100, maxMs: 5_000 };
    let delayMs = minMs;
    while (!signal.aborted) {
      const startedAt = performance.now();
      try {
        if (this.#resourceVersion === undefined) await this.#list();
        await this.#watch();
        delayMs = minMs;
      } catch (error) {
        if (signal.aborted) return;
        // Only a version that is gone makes us list again: a server that comes back goes on where it was.
        if (KubeError.isExpired(error) || isFromTheFuture(error)) this.#resourceVersion = undefined;
        this.#report(error);
        if (performance.now() - startedAt > maxMs) delayMs = minMs;
        await pause(delayMs * (0.75 + Math.random() / 2), signal);
        delayMs = Math.min(delayMs * 2, maxMs);
      }
    }
  }

  async #list(): Promise<void> {
    const vanished = new Set(this.#known.keys());
    let resourceVersion = "";
    // Page by page: of a large collection there is never more in memory than what is kept of it and one page.
    for await (const { metadata, items } of this.#client.pages(this.#resource, this.#options)) {
      for (const item of items) {
        vanished.delete(objectKey(item));
        this.#upsert(item);
      }
      resourceVersion = metadata.resourceVersion;
    }
    for (const key of vanished) {
      const object = this.#known.get(key);
      if (!object) continue;
      this.#known.delete(key);
      this.#hand(() => this.#options.handlers.delete(object));
    }
    if (!this.#synced) this.#hand(() => this.#options.handlers.synced?.());
    this.#synced = true;
    this.#progress(resourceVersion);
  }

  async #watch(): Promise<void> {
    const resourceVersion = this.#resourceVersion ?? "";
    for await (const event of this.#client.watch(this.#resource, {
      ...this.#options,
      resourceVersion,
    })) {
      switch (event.type) {
        case "ADDED":
        case "MODIFIED":
          this.#upsert(event.object);
          break;
        case "DELETED":
          this.#delete(event.object);
          break;
        case "BOOKMARK":
          break;
      }
      this.#progress(event.object.metadata.resourceVersion ?? resourceVersion);
    }
  }

  #upsert(received: T): void {
    const key = objectKey(received);
    const before = this.#known.get(key);
    if (before?.metadata.uid !== undefined && before.metadata.uid !== received.metadata.uid) {
      this.#hand(() => this.#options.handlers.delete(before));
    } else if (
      before?.metadata.resourceVersion !== undefined &&
      before.metadata.resourceVersion === received.metadata.resourceVersion
    ) {
      return;
    }
    const object = this.#trimmed(received);
    this.#known.set(key, object);
    this.#hand(() => this.#options.handlers.upsert(object));
  }

  #delete(received: T): void {
    const key = objectKey(received);
    if (!this.#known.delete(key)) return;
    const object = this.#trimmed(received);
    this.#hand(() => this.#options.handlers.delete(object));
  }

  #trimmed(received: T): T {
    const object = withoutManagedFields(received);
    return this.#options.trim?.(object) ?? object;
  }

  #progress(resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    this.#hand(() => this.#options.handlers.progress?.(resourceVersion));
  }

  #hand(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    this.#options.handlers.onError?.(error);
  }
}

/** The server has never reached our version: it lost its past, or it is another one. */
function isFromTheFuture(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    (error.details?.causes ?? []).some((cause) => cause.reason === "ResourceVersionTooLarge")
  );
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
