// Network namespaces with names, as `ip netns` has them: a file in /run/netns with the namespace mounted on it.
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import {
  CLONE_NEWNET,
  isSyscallError,
  MNT_DETACH,
  mount,
  MS_BIND,
  MS_REC,
  MS_SHARED,
  umount2,
  unshare,
  withNetns,
} from "@tsilium/syscall";
import { namespaceFolder } from "../layout.ts";

const ownNamespace = "/proc/thread-self/ns/net";

/**
 * Makes the folder of named namespaces a shared mount, as `ip netns add` does: an unmount in it reaches
 * every mount namespace, and a container's copy goes by one unmount.
 * @returns whether it had to be made: whoever made it may take it away when it is empty.
 */
export function prepareNamespaceFolder(): boolean {
  mkdirSync(namespaceFolder, { recursive: true });
  const share = () =>
    mount({ source: "", target: namespaceFolder, type: null, flags: MS_SHARED | MS_REC });
  try {
    share();
    return false;
  } catch (error) {
    if (!isSyscallError(error, "EINVAL")) throw error;
  }
  mount({ source: namespaceFolder, target: namespaceFolder, type: null, flags: MS_BIND | MS_REC });
  share();
  return true;
}

/** Undoes `prepareNamespaceFolder` unless somebody else's namespaces are in there. */
export function releaseNamespaceFolder(): void {
  try {
    if (readdirSync(namespaceFolder).length > 0) return;
    umount2(namespaceFolder);
    rmdirSync(namespaceFolder);
  } catch (error) {
    // Somebody came in between: then it is theirs.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EBUSY" && code !== "ENOTEMPTY" && code !== "ENOENT") throw error;
  }
}

/** Makes an empty network namespace under a path. The calling thread stays where it is. @throws EEXIST */
export function createNamespace(path: string): void {
  closeSync(openSync(path, "wx", 0o444));
  try {
    withNetns(ownNamespace, () => {
      unshare(CLONE_NEWNET);
      mount({ source: ownNamespace, target: path, type: null, flags: MS_BIND });
    });
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Takes the name away; the namespace goes with its last process and socket. False when there was none. */
export function deleteNamespace(path: string): boolean {
  try {
    umount2(path, MNT_DETACH);
    rmSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Writes settings under /proc/sys/net of a namespace: "ipv4/ip_forward" -> "1". */
export function writeSysctls(path: string, settings: Readonly<Record<string, string>>): void {
  withNetns(path, () => {
    for (const [name, value] of Object.entries(settings)) writeSysctl(name, value);
  });
}

function writeSysctl(name: string, value: string): void {
  const path = `/proc/sys/net/${name}`;
  try {
    writeFileSync(path, value);
  } catch (error) {
    // Where it has the value already, a read-only /proc/sys is no obstacle.
    if (readFileSync(path, "utf8").trim() !== value) throw error;
  }
}
