// A unix socket that only its owner may use, in place of whatever socket a dead process left there.
import { chmodSync, lstatSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { connect, type Server } from "node:net";
import { dirname, join } from "node:path";

/**
 * Listens on `path`, mode 0600. The socket is made in a folder of its own and moved into place, so that at no time
 * anybody else could connect, and clients see the old one or the new.
 * Returns what takes it away again, if it is still this one.
 * @throws Error EADDRINUSE if a living process serves there, or of the file system
 */
export async function listenOnUnix(server: Server, path: string): Promise<() => void> {
  if (await isServed(path)) {
    throw Object.assign(new Error(`${path}: another process serves it`), { code: "EADDRINUSE" });
  }
  // In the same folder, for renaming; a short name, for socket paths have 107 bytes.
  const folder = mkdtempSync(`${dirname(path)}/.h`);
  try {
    const made = join(folder, "s");
    await listening(server, made);
    chmodSync(made, 0o600);
    renameSync(made, path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const { ino } = lstatSync(path);
  return () => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** @throws Error if there is something that is not a socket */
function isServed(path: string): Promise<boolean> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return Promise.resolve(false);
  if (!found.isSocket()) {
    throw Object.assign(new Error(`${path}: exists and is no socket`), { code: "EEXIST" });
  }
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Anything but these two (a full queue, say) is a sign of life.
    probe.once("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT"),
    );
  });
}
