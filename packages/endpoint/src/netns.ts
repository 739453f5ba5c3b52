// A pod's network namespace, by the path that the runtime gave.
import { closeSync, openSync, statSync } from "node:fs";
import { ownNetnsCookie, SyscallError, withNetns } from "@tsilium/syscall";
import { EndpointError } from "./error.ts";

/**
 * SO_NETNS_COOKIE: what programs know the namespace by; never 0, and no other namespace's until the next boot.
 * @throws EndpointError netns_gone, netns_invalid
 */
export function netnsCookie(path: string): bigint {
  const netnsFd = openNetns(path);
  try {
    return withNetns(netnsFd, ownNetnsCookie);
  } finally {
    closeSync(netnsFd);
  }
}

/** True while the namespace behind a path can be entered. */
export function netnsExists(path: string): boolean {
  try {
    closeSync(openNetns(path));
    return true;
  } catch {
    return false;
  }
}

/** Opens it. @throws EndpointError netns_gone, netns_invalid (also for the node's own) */
export function openNetns(path: string): number {
  const fd = openPath(path);
  try {
    withNetns(fd, () => undefined);
    const own = statSync("/proc/thread-self/ns/net");
    const given = statSync(path);
    if (own.ino === given.ino && own.dev === given.dev) {
      throw new EndpointError("netns_invalid", `${path} is the node's own network namespace`);
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    if (!(error instanceof SyscallError)) throw error;
    throw new EndpointError("netns_invalid", `${path}: ${error.message}`, { cause: error });
  }
}

function openPath(path: string): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const gone = code === "ENOENT" || code === "ENOTDIR";
    throw new EndpointError(gone ? "netns_gone" : "netns_invalid", message, { cause });
  }
}
