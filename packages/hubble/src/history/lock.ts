// One writer per folder: a lock that the kernel takes back when its holder dies, however it dies.
import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import { addressOf, fcntl, isSyscallError } from "@tsilium/syscall";
import { HistoryError } from "./errors.ts";

/** Of an open file description, so that two holders in one process are two as well (fcntl(2)). */
const F_OFD_SETLK = 37;
const F_WRLCK = 1;

/** struct flock: the whole file, pid 0 as F_OFD_SETLK wants it. */
function wholeFile(): Uint8Array {
  const flock = new Uint8Array(32);
  flock[0] = F_WRLCK;
  return flock;
}

export class FolderLock implements Disposable {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @throws HistoryError locked: somebody has it; the system's error */
  static acquire(folder: string): FolderLock {
    const path = join(folder, "lock");
    const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
    const descriptor = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    const request = wholeFile();
    try {
      fcntl(descriptor, F_OFD_SETLK, Number(addressOf(request)));
    } catch (cause) {
      closeSync(descriptor);
      if (!isSyscallError(cause, "EAGAIN", "EACCES")) throw cause;
      throw new HistoryError("locked", `${folder} is written by another process`, { cause });
    }
    return new FolderLock(descriptor);
  }

  /** The file stays: whoever removed it could remove another's lock. */
  [Symbol.dispose](): void {
    closeSync(this.#descriptor);
  }
}
