// What maps, programs and links have in common: a descriptor, a pin in bpffs, an end.
import { close, dup, isSyscallError, SyscallError } from "@tsilium/syscall";
import { readlinkSync, unlinkSync } from "node:fs";
import { BpfError, during } from "../errors.ts";
import { Attributes, command } from "./attributes.ts";

export type ObjectKind = "map" | "prog" | "link";

const EINVAL = 22;

/**
 * Opens what is pinned at `path`. @throws BpfError ENOENT when nothing is there, EINVAL when it is
 * something else than a `kind`.
 */
export function openPinned(path: string, kind: ObjectKind): number {
  const operation = `open of ${kind} pin ${path}`;
  const fd = during(operation, () => new Attributes(24).text(0, path).call(command.objectGet));
  if (isKind(fd, kind)) return fd;
  close(fd);
  throw new BpfError(operation, new SyscallError("bpf", EINVAL), `not a ${kind}`);
}

/** Whether a descriptor is a BPF object of this kind. */
export function isKind(fd: number, kind: ObjectKind): boolean {
  const target = readlinkSync(`/proc/self/fd/${fd}`);
  return kind === "link" ? /bpf[-_]link/.test(target) : target.includes(`bpf-${kind}`);
}

/** A kernel object held by a descriptor. Closing it lets go of the object; a pin keeps it. */
export abstract class KernelObject implements Disposable {
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** What messages call this: "map tsi_ct4". */
  protected abstract readonly label: string;

  /** The descriptor, still owned by this object. @throws Error after it was closed. */
  get fd(): number {
    if (this.#fd < 0) throw new Error(`${this.label} was closed`);
    return this.#fd;
  }

  /** A second descriptor, owned by the caller. */
  duplicate(): number {
    return dup(this.fd);
  }

  /** Pins at `path`, which must be in a bpffs. @throws BpfError EEXIST when something is there. */
  pin(path: string): void {
    during(`pin of ${this.label} at ${path}`, () =>
      new Attributes(24).text(0, path).u32(8, this.fd).call(command.objectPin),
    );
  }

  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    close(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Removes a pin; false when it was gone already. */
export function unpin(path: string): boolean {
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** Whether this is a refusal of bpf(2) with one of these codes. */
export function isBpfError(error: unknown, ...codes: string[]): error is BpfError {
  return error instanceof BpfError && codes.includes(error.code);
}

const listCommands: Readonly<Record<ObjectKind, number>> = {
  map: command.mapNextId,
  prog: command.programNextId,
  link: command.linkNextId,
};

/** Kernel-wide numbers of all objects of a kind, whoever made them: for inspection and for finding leaks. */
export function* objectIds(kind: ObjectKind): Generator<number> {
  for (let id = nextId(kind, 0); id !== undefined; id = nextId(kind, id)) yield id;
}

function nextId(kind: ObjectKind, after: number): number | undefined {
  const attributes = new Attributes(16).u32(0, after);
  try {
    attributes.call(listCommands[kind]);
    return attributes.view.getUint32(4, true);
  } catch (error) {
    if (isSyscallError(error, "ENOENT")) return undefined;
    throw error;
  }
}
