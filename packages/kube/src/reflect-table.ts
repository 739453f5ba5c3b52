// A collection as a Table: rows are the objects, keys are "namespace/name".
import { Table } from "@tsilium/tables";
import type { KubeClient } from "./client.ts";
import { reflect, type ReflectHandlers, type ReflectOptions } from "./reflect.ts";
import { objectKey, type Resource } from "./resources.ts";
import type { KubeObject } from "./types/meta.ts";

export type Reflected<T> = {
  readonly table: Table<T>;
  /** Resolves when the first list is in the table; rejects with the signal's reason. */
  readonly synced: Promise<void>;
  /** Resolves when the signal has ended the watch. */
  readonly done: Promise<void>;
};

/** Starts to reflect into a new table. Stop it by the signal; the table keeps its last rows then. */
export function reflectTable<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  options: ReflectOptions<T> & {
    readonly indexes?: Readonly<Record<string, (object: T) => string[]>>;
    readonly onError?: (error: unknown) => void;
    readonly progress?: (resourceVersion: string) => void;
  },
): Reflected<T> {
  const { indexes, onError, progress, ...rest } = options;
  const table = new Table<T>({
    name: resource.plural,
    key: objectKey,
    ...(indexes ? { indexes } : {}),
  });
  const { promise: synced, resolve, reject } = Promise.withResolvers<void>();
  synced.catch(() => undefined);
  rest.signal.addEventListener("abort", () => reject(rest.signal.reason), { once: true });
  const handlers: ReflectHandlers<T> = {
    upsert: (object) => void table.upsert(object),
    delete: (object) => void table.delete(objectKey(object)),
    synced: resolve,
    ...(onError ? { onError } : {}),
    ...(progress ? { progress } : {}),
  };
  const done = reflect(client, resource, { ...rest, handlers });
  return { table, synced, done };
}
