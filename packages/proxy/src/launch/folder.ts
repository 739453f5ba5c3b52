// Folders of proxies under the agent's run folder. Everybody may pass through to what they may open; nobody but root
// reads or writes anything that is not theirs.
//
//   <run-dir>/proxy/            root, 0711: PID files, listeners.json
//   <run-dir>/proxy/<engine>/   the engine's user, 0700: its configuration, sockets, what it keeps
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ProxyUser } from "./users.ts";

/** `<run-dir>/proxy`, made when it is not there. The run folder, whose files protect themselves, is opened for passing through. */
export function proxyFolder(runDir: string): string {
  const folder = join(runDir, "proxy");
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  chmodSync(folder, 0o711);
  chmodSync(runDir, (statSync(runDir).mode & 0o7777) | 0o011);
  return folder;
}

/**
 * Folder of one engine or proxy, its user's alone. What is in it may have been written by that user: root follows no
 * link in there and believes nothing.
 * @param user undefined: root's
 */
export function engineFolder(folder: string, name: string, user?: ProxyUser): string {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chownSync(path, user?.uid ?? 0, user?.gid ?? 0);
  chmodSync(path, 0o700);
  return path;
}

/** Folders above `path`, it included, that others may not pass through. */
export function closedFolders(path: string): string[] {
  const closed: string[] = [];
  for (let folder = path; folder !== "/"; folder = dirname(folder))
    if ((statSync(folder).mode & 0o001) === 0) closed.push(folder);
  return closed;
}
