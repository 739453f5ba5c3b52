// Removes whatever is left of a lab, however it ended. Everything is found by the lab's own names; nothing
// that another lab or the machine owns is touched. Idempotent. The caller holds the lab's lock.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { MNT_DETACH, umount2 } from "@tsilium/syscall";
import { isNamespaceOf, type LabLayout, labLayout, labsFolder, namespaceFolder } from "./layout.ts";
import { LabLock } from "./lock.ts";
import { isAlive } from "./processes/identity.ts";
import { readState } from "./state.ts";
import { removeCgroup } from "./topology/cgroup.ts";
import { deleteNamespace, releaseNamespaceFolder } from "./topology/namespace.ts";

/** @returns whether there was anything. @throws Error when a process of the lab does not die. */
export async function sweepLab(lab: LabLayout): Promise<boolean> {
  const ownsNamespaceFolder = readStateIfWhole(lab)?.ownsNamespaceFolder ?? false;
  const found = existsSync(lab.folder) || existsSync(lab.cgroup);
  // Processes first: they hold namespaces, mounts and files.
  await removeCgroup(lab.cgroup);
  unmountBelow(lab.folder);
  const namespaces = namespacesOf(lab.name);
  for (const path of namespaces) deleteNamespace(path);
  // The state goes last: it says what else is to be removed if this is interrupted.
  for (const entry of existsSync(lab.folder) ? readdirSync(lab.folder) : [])
    if (entry !== "lab.json") rmSync(join(lab.folder, entry), { recursive: true, force: true });
  if (ownsNamespaceFolder) releaseNamespaceFolder();
  rmSync(lab.folder, { recursive: true, force: true });
  return found || namespaces.length > 0;
}

/** Sweeps every lab whose daemon is dead, but for `except`. @returns their names. */
export async function sweepCrashedLabs(except: string): Promise<string[]> {
  const swept: string[] = [];
  for (const name of existsSync(labsFolder()) ? readdirSync(labsFolder()) : []) {
    if (name === except) continue;
    const lab = labLayout(name);
    using lock = LabLock.tryTake(lab);
    // Somebody who has the lock is at work on it: a daemon, or another sweep.
    const state = lock && readStateIfWhole(lab);
    if (!lock || (state && isAlive(state.daemon))) continue;
    if (await sweepLab(lab)) swept.push(name);
  }
  return swept;
}

function readStateIfWhole(lab: LabLayout): ReturnType<typeof readState> {
  try {
    return readState(lab);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function namespacesOf(name: string): string[] {
  if (!existsSync(namespaceFolder)) return [];
  return readdirSync(namespaceFolder)
    .filter((file) => isNamespaceOf(name, file))
    .map((file) => join(namespaceFolder, file));
}

/** Unmounts the lab's mounts, the deepest first. /var/run may be a link: the kernel knows the real path. */
function unmountBelow(folder: string): void {
  const prefixes = [folder, folder.replace(/^\/var\/run\//, "/run/")].map((path) => `${path}/`);
  const points = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((point) => prefixes.some((prefix) => point.startsWith(prefix)));
  for (const point of points.toReversed()) umount2(point, MNT_DETACH);
}
