// Folders of the cgroup v2 hierarchy. All processes of a lab but its supervisor live in its folder, so that
// one write ends them all, whatever they forked.
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export function makeCgroup(folder: string): void {
  mkdirSync(folder, { recursive: true });
}

/** Kills everything in a cgroup and below it, at once (cgroup.kill, Linux 5.14). False when it is gone. */
function killCgroup(folder: string): boolean {
  try {
    writeFileSync(join(folder, "cgroup.kill"), "1");
    return true;
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

/**
 * Kills what is in the cgroup, waits until all of it is dead and removes the folders.
 * @throws Error when something will not die within `patienceMs`
 */
export async function removeCgroup(folder: string, patienceMs = 10_000): Promise<void> {
  if (!killCgroup(folder)) return;
  const deadline = performance.now() + patienceMs;
  for (let delayMs = 1; isPopulated(folder); delayMs = Math.min(delayMs * 2, 50)) {
    if (performance.now() > deadline)
      throw new Error(`processes in ${folder} do not die (uninterruptible sleep?)`);
    await sleep(delayMs);
    // Again: somebody may have moved a process in meanwhile.
    killCgroup(folder);
  }
  removeFolders(folder);
}

function isPopulated(folder: string): boolean {
  try {
    return readFileSync(join(folder, "cgroup.events"), "utf8").includes("populated 1");
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}

function removeFolders(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeFolders(join(folder, entry.name));
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENODEV";
}
