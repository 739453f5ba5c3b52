// Child processes without a fork: posix_spawn(3) shares the parent's memory until the child executes, where
// Node copies the page tables of its whole heap (3.4 ms of kernel time at 130 MB, against 0.2 ms).
// The child starts in the calling thread's namespaces, so `withNetns` decides where.
import { SyscallError } from "./errors.ts";
import { addressOf, declare, declareRaw, lastErrno } from "./libc.ts";

// Functions that answer an errno instead of setting it: 0 is success.
const libcSpawn = declareRaw(
  "int posix_spawn(void *pid, const char *path, void *actions, void *attributes, void *argv, void *environment)",
);
const actionsInit = declareRaw("int posix_spawn_file_actions_init(void *actions)");
const actionsDestroy = declareRaw("int posix_spawn_file_actions_destroy(void *actions)");
const actionsDup = declareRaw(
  "int posix_spawn_file_actions_adddup2(void *actions, int fd, int target)",
);
const attributesInit = declareRaw("int posix_spawnattr_init(void *attributes)");
const attributesDestroy = declareRaw("int posix_spawnattr_destroy(void *attributes)");
const attributesFlags = declareRaw("int posix_spawnattr_setflags(void *attributes, int16_t flags)");
const attributesMask = declareRaw("int posix_spawnattr_setsigmask(void *attributes, void *set)");
const attributesDefault = declareRaw(
  "int posix_spawnattr_setsigdefault(void *attributes, void *set)",
);
const libcPipe = declare("int pipe2(void *fds, int flags)");
const libcWaitpid = declareRaw("int waitpid(int pid, void *status, int options)");

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const WNOHANG = 1;
const O_CLOEXEC = 0o2000000;
/** Of glibc: posix_spawn_file_actions_t is 80 bytes, posix_spawnattr_t 336, sigset_t 128; musl's are smaller. */
const structureSize = 512;
const signalSetSize = 128;

export type SpawnOptions = {
  /** The program's file; PATH is not searched. */
  readonly path: string;
  /** All arguments, the program's name first. */
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Descriptors of the child: its number -> ours. Nothing else is inherited that is close-on-exec. */
  readonly descriptors: ReadonlyMap<number, number>;
};

/**
 * Starts a program with default signal dispositions and answers its PID. The caller reaps it with `waitpid`.
 * @throws SyscallError ENOENT, EACCES, ...
 */
export function spawnProcess(options: SpawnOptions): number {
  const actions = new Uint8Array(new ArrayBuffer(structureSize));
  const attributes = new Uint8Array(new ArrayBuffer(structureSize));
  const pid = new Int32Array(1);
  check(actionsInit(actions), options.path);
  try {
    check(attributesInit(attributes), options.path);
    for (const [target, fd] of options.descriptors)
      check(actionsDup(actions, fd, target), options.path);
    resetSignals(attributes, options.path);
    const block = pack(options);
    const result = libcSpawn(
      new Uint8Array(pid.buffer),
      options.path,
      actions,
      attributes,
      block.argv,
      block.environment,
    );
    // The strings are in the block: it must outlive the call, and does by being used after it.
    block.strings.fill(0);
    check(result, options.path);
    return pid[0] as number;
  } finally {
    actionsDestroy(actions);
    attributesDestroy(attributes);
  }
}

/** A pipe's ends, both close-on-exec: [for reading, for writing]. @throws SyscallError */
export function pipe(): [number, number] {
  const fds = new Int32Array(2);
  libcPipe(new Uint8Array(fds.buffer), O_CLOEXEC);
  return [fds[0] as number, fds[1] as number];
}

/** How a process ended: its exit status, or the number of the signal that ended it. */
export type ProcessEnd = { readonly status: number } | { readonly signal: number };

/** Reaps a child that has ended; undefined while it runs. Does not block. @throws SyscallError ECHILD */
export function waitpid(pid: number): ProcessEnd | undefined {
  const status = new Int32Array(1);
  const result = Number(libcWaitpid(pid, new Uint8Array(status.buffer), WNOHANG));
  if (result < 0) throw new SyscallError("waitpid", lastErrno());
  if (result === 0) return undefined;
  const word = status[0] as number;
  const signal = word & 0x7f;
  return signal === 0 ? { status: (word >> 8) & 0xff } : { signal };
}

function resetSignals(attributes: Uint8Array, path: string): void {
  const none = new Uint8Array(new ArrayBuffer(signalSetSize));
  const all = new Uint8Array(new ArrayBuffer(signalSetSize)).fill(0xff);
  check(attributesMask(attributes, none), path);
  check(attributesDefault(attributes, all), path);
  check(attributesFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK), path);
}

type Packed = {
  readonly strings: Uint8Array;
  readonly argv: Uint8Array;
  readonly environment: Uint8Array;
};

/** The strings in one block, and the two null-terminated arrays of pointers into it. */
function pack({ argv, environment }: SpawnOptions): Packed {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const texts = [...argv, ...variables].map((text) => Buffer.from(`${text}\0`));
  const strings = new Uint8Array(
    new ArrayBuffer(texts.reduce((sum, { length }) => sum + length, 1)),
  );
  const base = addressOf(strings);
  const pointers: bigint[] = [];
  let at = 0;
  for (const text of texts) {
    strings.set(text, at);
    pointers.push(base + BigInt(at));
    at += text.length;
  }
  const array = (list: readonly bigint[]) =>
    new Uint8Array(BigUint64Array.from([...list, 0n]).buffer);
  return {
    strings,
    argv: array(pointers.slice(0, argv.length)),
    environment: array(pointers.slice(argv.length)),
  };
}

function check(result: number | bigint, path: string): void {
  const errno = Number(result);
  if (errno !== 0) throw new SyscallError("posix_spawn", errno, path);
}
