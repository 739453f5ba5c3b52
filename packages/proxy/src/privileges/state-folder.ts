// A folder that a proxy opens as root and still uses when it is nobody: by descriptor, since the way there leads
// through folders of root's.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createHash } from "node:crypto";
import { close, O_DIRECTORY, O_RDONLY, open } from "@tsilium/syscall";

export class StateFolder implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Makes the folder, that user's alone, and opens it. Before privileges are dropped. @throws SyscallError, Error EACCES, ... */
  static open(path: string, owner?: { readonly uid: number; readonly gid: number }): StateFolder {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const fd = open(path, O_RDONLY | O_DIRECTORY);
    // By descriptor: a path may have become something else.
    if (owner) chownSync(`/proc/self/fd/${fd}`, owner.uid, owner.gid);
    chmodSync(`/proc/self/fd/${fd}`, 0o700);
    return new StateFolder(fd);
  }

  /**
   * Keeps a text under a name: the one before or this one is there, whole, whatever happens to the process. Not synced:
   * after a crash of the machine nothing that it is about is there either, and a torn file is noticed by its checksum.
   * @throws Error ENOSPC, ...
   */
  write(name: string, content: string): void {
    const path = this.#path(name);
    writeFileSync(`${path}.new`, `${checksum(content)}\n${content}`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** What was kept; undefined when there is nothing, "damaged" when it is not what was written. @throws Error EIO, ... */
  read(name: string): string | undefined | { readonly kind: "damaged" } {
    let bytes: string;
    try {
      bytes = readFileSync(this.#path(name), "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const end = bytes.indexOf("\n");
    const content = bytes.slice(end + 1);
    return bytes.slice(0, Math.max(end, 0)) === checksum(content) ? content : { kind: "damaged" };
  }

  /** Fine when it is not there. */
  remove(name: string): void {
    rmSync(this.#path(name), { force: true });
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }

  #path(name: string): string {
    return `/proc/self/fd/${this.#fd}/${name}`;
  }
}

function checksum(content: string): string {
  return createHash("sha256").update(content).digest("hex");
}
