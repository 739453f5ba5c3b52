// A reflection that somebody else looks after: the consumer gets objects, an observer hears how the watch is doing.
import type { KubeClient } from "./client.ts";
import { reflect, type ReflectHandlers, type ReflectOptions } from "./reflect.ts";
import type { Resource } from "./resources.ts";
import type { KubeObject } from "./types/meta.ts";

export type WatchObserver = {
  /** An object is about to be handed over. */
  event(): void;
  synced(): void;
  progress(resourceVersion: string): void;
  onError(error: unknown): void;
};

export type ObservedOptions<T> = ReflectOptions<T> & {
  readonly handlers: Pick<ReflectHandlers<T>, "upsert" | "delete">;
  readonly observer?: WatchObserver | undefined;
};

export type Observed = {
  /** Resolves when the first list has been handed over; rejects with the signal's reason. */
  readonly synced: Promise<void>;
  /** Resolves when the signal has ended the watch. */
  readonly done: Promise<void>;
};

/** Starts to reflect; handlers are called as by `reflect`. */
export function reflectObserved<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: ObservedOptions<T>,
): Observed {
  const { handlers, observer, ...rest } = options;
  const { promise: synced, resolve, reject } = Promise.withResolvers<void>();
  synced.catch(() => undefined);
  rest.signal.addEventListener("abort", () => reject(rest.signal.reason), { once: true });
  const done = reflect(client, resource, {
    ...rest,
    handlers: {
      upsert: (object) => {
        observer?.event();
        handlers.upsert(object);
      },
      delete: (object) => {
        observer?.event();
        handlers.delete(object);
      },
      synced: () => {
        observer?.synced();
        resolve();
      },
      progress: (resourceVersion) => observer?.progress(resourceVersion),
      onError: (error) => observer?.onError(error),
    },
  });
  return { synced, done };
}
