// Processes by descriptor (Linux 5.3): a number may come to mean another process, a descriptor does not.
import { constants } from "node:os";
import { isSyscallError } from "./errors.ts";
import { declare } from "./libc.ts";

const callOpen = declare("int64_t syscall(int64_t number, int64_t pid, int64_t flags)");
const callSignal = declare(
  "int64_t syscall(int64_t number, int64_t fd, int64_t signal, void *information, int64_t flags)",
);

// The same on all architectures: they are newer than the common table.
const pidfdSendSignal = 424;
const pidfdOpen = 434;

/**
 * A descriptor for the process that has this PID now, close-on-exec; undefined when there is none. It becomes readable
 * when the process ends, whoever its parent is. @throws SyscallError
 */
export function openProcess(pid: number): number | undefined {
  try {
    return callOpen(pidfdOpen, pid, 0);
  } catch (error) {
    if (isSyscallError(error, "ESRCH", "EINVAL")) return undefined;
    throw error;
  }
}

/** Sends a signal to the process behind a descriptor; false when it has ended. @throws SyscallError EPERM */
export function signalProcess(fd: number, signal: NodeJS.Signals): boolean {
  try {
    callSignal(pidfdSendSignal, fd, constants.signals[signal], null, 0);
    return true;
  } catch (error) {
    if (isSyscallError(error, "ESRCH")) return false;
    throw error;
  }
}
