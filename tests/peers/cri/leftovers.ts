// What a containerd that has ended may leave: shims with their containers, where a sandbox could not be removed, mounts, and
// the cgroups' folders. All of it is told by its folder or its socket, so that another one's is never touched.
import { type Dirent, existsSync, globSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isSyscallError, MNT_DETACH, umount2 } from "@tsilium/syscall";

export type Left = {
  readonly folder: string;
  readonly socket: string;
  /** What its containers were in, below the root of every hierarchy. */
  readonly cgroupParent: string;
};

/** Where containerd 1.6 keeps its shims' sockets, whatever it is configured to. */
const shimFolders = ["/run/containerd/s", "/run/containerd"];

export async function removeLeftovers({ folder, socket, cgroupParent }: Left): Promise<void> {
  await endAll(() => shims(socket));
  const cgroups = mounts().filter(({ type }) => type.startsWith("cgroup"));
  await endAll(() => cgroups.flatMap(({ path }) => members(join(path, cgroupParent))));
  unmountBelow(folder);
  for (const { path, type } of cgroups) {
    removeFolders(join(path, cgroupParent));
    // Folders of a lab are in the version 2 hierarchy alone; what is in others was made for containers.
    if (type === "cgroup")
      for (let parent = dirname(cgroupParent); parent !== "/"; parent = dirname(parent))
        removeIfEmpty(join(path, parent));
  }
  // Where they are somebody else's too they are not empty, and who needs them makes them.
  shimFolders.forEach(removeIfEmpty);
}

/** Processes whose command line says that they are shims of the containerd at a socket. */
function shims(socket: string): number[] {
  return globSync("/proc/[0-9]*/cmdline")
    .filter((file) => {
      const words = read(file).split("\0");
      return words.includes(socket) && /shim/.test(words[0] ?? "");
    })
    .map((file) => Number(file.split("/")[2]));
}

function members(cgroup: string): number[] {
  return globSync(`${cgroup}/**/cgroup.procs`)
    .flatMap((file) => read(file).split("\n"))
    .filter((line) => line !== "")
    .map(Number);
}

async function endAll(pids: () => readonly number[]): Promise<void> {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    for (const pid of pids()) kill(pid, signal);
    for (let tries = 0; tries < 20 && pids().length > 0; tries++) await sleep(50);
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function mounts(): { readonly path: string; readonly type: string }[] {
  return read("/proc/self/mounts")
    .split("\n")
    .map((line) => line.split(" "))
    .map(([, path = "", type = ""]) => ({ path, type }));
}

function unmountBelow(folder: string): void {
  const below = mounts().filter(({ path }) => path.startsWith(`${folder}/`));
  for (const { path } of below.toReversed()) {
    try {
      umount2(path, MNT_DETACH);
    } catch (error) {
      // One that was below another is gone with it.
      if (!isSyscallError(error, "EINVAL") && !isSyscallError(error, "ENOENT")) throw error;
    }
  }
}

function removeFolders(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeFolders(join(folder, entry.name));
  rmdirSync(folder);
}

function removeIfEmpty(folder: string): void {
  const isFolder = (entry: Dirent) => entry.isDirectory();
  if (!existsSync(folder) || readdirSync(folder, { withFileTypes: true }).some(isFolder)) return;
  rmdirSync(folder);
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // it ended meanwhile
  }
}
