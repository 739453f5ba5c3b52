// Writing an object's status, by whoever has computed it.
import type { KubeObject } from "@tsilium/kube";
import type { Cache } from "./cache.ts";
import type { Context } from "./context.ts";
import { isOvertaken } from "./failures.ts";
import { same } from "./objects.ts";

/** Writes `status` where it differs from the object's, and waits until the cache shows it. */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  { client, signal }: Pick<Context, "client" | "signal">,
  cache: Cache<T>,
  change: { readonly object: T; readonly status: NonNullable<T["status"]> },
): Promise<void> {
  const { object, status } = change;
  if (same(status, object.status)) return;
  try {
    await cache.seen([
      await client.updateStatus(cache.resource, { ...object, status }, { signal }),
    ]);
  } catch (error) {
    if (!isOvertaken(error)) throw error;
  }
}
