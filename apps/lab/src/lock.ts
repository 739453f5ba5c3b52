// Who may make or remove things of a lab: the owner of an abstract socket named after it. The kernel gives it
// up with its owner, however that one ends.
import {
  AF_UNIX,
  bind,
  close,
  isSyscallError,
  SOCK_STREAM,
  sockaddrUn,
  socket,
} from "@tsilium/syscall";
import type { LabLayout } from "./layout.ts";

export class LabLock implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Takes the lock; undefined when somebody has it. */
  static tryTake(lab: LabLayout): LabLock | undefined {
    const fd = socket(AF_UNIX, SOCK_STREAM);
    try {
      bind(fd, sockaddrUn(lab.lock));
      return new LabLock(fd);
    } catch (error) {
      close(fd);
      if (isSyscallError(error, "EADDRINUSE")) return undefined;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}
