// A pod's volumes as folders of the lab's, and where its containers see them.
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import type { Container, KeyToPath, Pod, Volume } from "@tsilium/kube";
import { ContainerConfigError, dataOf, type Sources } from "./environment.ts";

/** What the runner mounts: `onto=from` binds, after `onto=folder` overlays that provide mount points. */
export type Mounts = { readonly overlays: readonly string[]; readonly binds: readonly string[] };

/**
 * Makes the pod's volumes under `folder`, which is the pod's own.
 * @returns folder of each volume by its name. @throws ContainerConfigError
 */
export function makeVolumes(pod: Pod, folder: string, sources: Sources): Map<string, string> {
  return new Map(
    (pod.spec.volumes ?? []).map((volume) => [volume.name, makeVolume(volume, folder, sources)]),
  );
}

function makeVolume(volume: Volume, folder: string, sources: Sources): string {
  const { name, hostPath, configMap, secret, emptyDir } = volume;
  if (hostPath) {
    if (hostPath.type === "DirectoryOrCreate") mkdirSync(hostPath.path, { recursive: true });
    return hostPath.path;
  }
  const path = join(folder, "volumes", name);
  mkdirSync(path, { recursive: true });
  if (configMap) fill(path, dataOf("configMap", configMap, sources), configMap.items);
  else if (secret) {
    const { secretName, ...rest } = secret;
    const reference = secretName === undefined ? rest : { ...rest, name: secretName };
    fill(path, dataOf("secret", reference, sources), secret.items);
  } else if (!emptyDir && Object.keys(volume).length > 1) {
    const kind = Object.keys(volume).find((key) => key !== "name");
    throw new ContainerConfigError(`volume "${name}": ${kind} is not supported by a lab`);
  }
  return path;
}

function fill(
  folder: string,
  data: Readonly<Record<string, Buffer>> | undefined,
  items: readonly KeyToPath[] | undefined,
): void {
  const entries = items ?? Object.keys(data ?? {}).map((key) => ({ key, path: key }));
  for (const { key, path } of entries) {
    const value = data?.[key];
    if (!value) {
      if (!data) continue;
      throw new ContainerConfigError(`references non-existent config key: ${key}`);
    }
    const file = inside(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, value);
  }
}

/**
 * A container's mounts. Mount points that the host has not got come from an overlay on the nearest folder
 * that exists; its upper layer is made under `folder`. @throws ContainerConfigError
 */
export function mountsOf(
  container: Container,
  volumes: ReadonlyMap<string, string>,
  folder: string,
): Mounts {
  const overlays = new Map<string, string>();
  const binds = (container.volumeMounts ?? []).map(({ name, mountPath, subPath, readOnly }) => {
    const volume = volumes.get(name);
    if (volume === undefined) throw new ContainerConfigError(`no volume named "${name}"`);
    const from = subPath ? inside(volume, subPath) : volume;
    if (subPath && !existsSync(from)) mkdirSync(from, { recursive: true });
    const onto = normalize(mountPath).replace(/(.)\/$/, "$1");
    const kind = statSync(from).isDirectory() ? "folder" : "file";
    if (!existsSync(onto))
      provide({ onto, kind }, join(folder, "overlays", container.name), overlays);
    return `${onto}=${from}${readOnly ? ":ro" : ""}`;
  });
  return { overlays: [...overlays].map(([onto, from]) => `${onto}=${from}`), binds };
}

/** Makes a mount point in an overlay's upper layer. */
function provide(
  { onto, kind }: { readonly onto: string; readonly kind: "folder" | "file" },
  folder: string,
  overlays: Map<string, string>,
): void {
  let base = dirname(onto);
  while (!existsSync(base)) base = dirname(base);
  if (base === "/") {
    throw new ContainerConfigError(
      `mountPath ${onto}: a lab can make mount points below the host's top-level folders only`,
    );
  }
  const layer = overlays.get(base) ?? join(folder, String(overlays.size));
  overlays.set(base, layer);
  mkdirSync(join(layer, "work"), { recursive: true });
  const point = join(layer, "upper", relative(base, onto));
  mkdirSync(kind === "folder" ? point : dirname(point), { recursive: true });
  if (kind === "file") writeFileSync(point, "");
}

/** A path below a folder. @throws ContainerConfigError for one that leads out of it. */
function inside(folder: string, path: string): string {
  const whole = normalize(join(folder, path));
  if (whole.startsWith(`${folder}/`)) return whole;
  throw new ContainerConfigError(`path "${path}" leads out of its volume`);
}
