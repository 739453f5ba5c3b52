// The ConfigMaps and Secrets that a pod refers to, read when a container starts: changes reach a restarted
// container, not a running one.
import {
  type KubeClient,
  KubeError,
  type KubeObject,
  type Pod,
  resources,
  type Resource,
} from "@tsilium/kube";
import { referencesOf, type Sources } from "./environment.ts";

/** What does not exist is left out. @throws KubeError when the API server cannot be asked. */
export async function readSources(
  client: KubeClient,
  pod: Pod,
  signal: AbortSignal,
): Promise<Sources> {
  const { configMaps, secrets } = referencesOf(pod);
  const { namespace } = pod.metadata;
  const read = async <T extends KubeObject>(resource: Resource<T>, names: Set<string>) => {
    const found = new Map<string, T>();
    for (const name of names) {
      try {
        found.set(name, await client.get(resource, name, { namespace, signal }));
      } catch (error) {
        if (!KubeError.isNotFound(error)) throw error;
      }
    }
    return found;
  };
  return {
    configMaps: await read(resources.configMaps, configMaps),
    secrets: await read(resources.secrets, secrets),
  };
}
