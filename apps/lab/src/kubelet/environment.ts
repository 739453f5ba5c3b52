// A container's environment: literal values, fields of its pod, and ConfigMaps and Secrets. Pure: whoever
// calls hands in the objects that the references name.
import type { ConfigMap, Container, EnvVar, KeySelector, Pod, Secret } from "@tsilium/kube";

/** Names of the objects that a container (or its pod's volumes) refers to. */
export type References = { readonly configMaps: Set<string>; readonly secrets: Set<string> };

/** ConfigMaps and Secrets of the pod's namespace by name; what does not exist is missing. */
export type Sources = {
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly secrets: ReadonlyMap<string, Secret>;
};

export type PodFacts = {
  readonly pod: Pod;
  readonly hostIps: readonly string[];
  readonly podIps: readonly string[];
};

/** A container cannot be made as its pod says; `message` is what the pod's status shows. */
export class ContainerConfigError extends Error {
  readonly code = "CreateContainerConfigError";
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** @throws ContainerConfigError when a reference that is not optional leads nowhere. */
export function environmentOf(
  container: Container,
  facts: PodFacts,
  sources: Sources,
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: defaultPath,
    HOME: "/root",
    HOSTNAME: hostnameOf(facts.pod),
  };
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom ?? []) {
    for (const reference of [
      configMapRef && { kind: "configMap" as const, ...configMapRef },
      secretRef && { kind: "secret" as const, ...secretRef },
    ]) {
      if (!reference) continue;
      const data = dataOf(reference.kind, reference, sources) ?? {};
      for (const [key, value] of Object.entries(data)) environment[prefix + key] = value.toString();
    }
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, environment, { facts, sources });
    if (value !== undefined) environment[variable.name] = value;
  }
  return environment;
}

/** "$(NAME)" becomes the variable's value, "$$(NAME)" stays "$(NAME)", an unknown name stays as it is. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^()]*)\))/g, (whole, dollar: string, name: string | undefined) =>
    dollar === "$" ? "$" : (environment[name as string] ?? whole),
  );
}

/** A pod's host name: its own, or its name cut to what a host name may be. */
export function hostnameOf(pod: Pod): string {
  return (pod.spec.hostname ?? pod.metadata.name ?? "").slice(0, 63).replace(/[-.]+$/, "");
}

/**
 * The entries of a ConfigMap or Secret as bytes; undefined when an optional one is missing.
 * @throws ContainerConfigError
 */
export function dataOf(
  kind: "configMap" | "secret",
  reference: { readonly name?: string; readonly optional?: boolean },
  sources: Sources,
): Record<string, Buffer> | undefined {
  const name = reference.name ?? "";
  if (kind === "configMap") {
    const found = sources.configMaps.get(name);
    if (!found) return missing(`configmap "${name}" not found`, reference);
    return {
      ...mapValues(found.data ?? {}, (text) => Buffer.from(text)),
      ...mapValues(found.binaryData ?? {}, (text) => Buffer.from(text, "base64")),
    };
  }
  const found = sources.secrets.get(name);
  if (!found) return missing(`secret "${name}" not found`, reference);
  return mapValues(found.data ?? {}, (text) => Buffer.from(text, "base64"));
}

/** Everything a pod's containers and volumes refer to. */
export function referencesOf(pod: Pod): References {
  const found: References = { configMaps: new Set(), secrets: new Set() };
  const note = (set: Set<string>, name: string | undefined) => name && set.add(name);
  for (const { configMap, secret } of pod.spec.volumes ?? []) {
    note(found.configMaps, configMap?.name);
    note(found.secrets, secret?.secretName);
  }
  for (const { env, envFrom } of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    for (const { configMapRef, secretRef } of envFrom ?? []) {
      note(found.configMaps, configMapRef?.name);
      note(found.secrets, secretRef?.name);
    }
    for (const { valueFrom } of env ?? []) {
      note(found.configMaps, valueFrom?.configMapKeyRef?.name);
      note(found.secrets, valueFrom?.secretKeyRef?.name);
    }
  }
  return found;
}

function valueOf(
  { value, valueFrom }: EnvVar,
  environment: Readonly<Record<string, string>>,
  { facts, sources }: { readonly facts: PodFacts; readonly sources: Sources },
): string | undefined {
  if (!valueFrom) return expand(value ?? "", environment);
  if (valueFrom.fieldRef) return fieldOf(valueFrom.fieldRef.fieldPath, facts);
  if (valueFrom.configMapKeyRef) return keyOf("configMap", valueFrom.configMapKeyRef, sources);
  if (valueFrom.secretKeyRef) return keyOf("secret", valueFrom.secretKeyRef, sources);
  throw new ContainerConfigError(`valueFrom.${Object.keys(valueFrom)[0]} is not supported`);
}

function keyOf(
  kind: "configMap" | "secret",
  selector: KeySelector,
  sources: Sources,
): string | undefined {
  const data = dataOf(kind, selector, sources);
  const value = data?.[selector.key];
  if (value || !data) return value?.toString();
  return missing(`couldn't find key ${selector.key} in ${kind} ${selector.name}`, selector);
}

/** The downward API: fieldRef's paths. @throws ContainerConfigError for one there is not. */
function fieldOf(path: string, { pod, hostIps, podIps }: PodFacts): string {
  const { metadata, spec } = pod;
  const entry = /^metadata\.(labels|annotations)\['([^']*)'\]$/.exec(path);
  if (entry) return metadata[entry[1] as "labels" | "annotations"]?.[entry[2] as string] ?? "";
  const fields: Record<string, string | undefined> = {
    "metadata.name": metadata.name,
    "metadata.namespace": metadata.namespace,
    "metadata.uid": metadata.uid,
    "spec.nodeName": spec.nodeName,
    "spec.serviceAccountName": spec.serviceAccountName,
    "status.hostIP": hostIps[0],
    "status.hostIPs": hostIps.join(","),
    "status.podIP": podIps[0],
    "status.podIPs": podIps.join(","),
  };
  if (!(path in fields)) throw new ContainerConfigError(`fieldPath ${path} is not supported`);
  return fields[path] ?? "";
}

function missing(
  message: string,
  { optional = false }: { readonly optional?: boolean },
): undefined {
  if (!optional) throw new ContainerConfigError(message);
  return undefined;
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, map: (value: A) => B) {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
