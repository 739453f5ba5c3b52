// Thousands of objects through the API, a few at a time.
import type { KubeClient, KubeObject, Resource } from "@tsilium/kube";

const parallel = 16;

/** Creates them all. @throws KubeError of the first that was refused */
export async function createAll<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  objects: readonly T[],
): Promise<void> {
  await eachOf(objects, (object) =>
    client.create(resource, object, { signal: AbortSignal.timeout(30_000) }),
  );
}

/** Some at a time. @throws what the first that failed threw */
export async function eachOf<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const waiting = items.values();
  const line = async () => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: parallel }, line));
}
