// What tests on the real kernel need: a network namespace of their own, a bpffs, and their ends.
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AF_INET,
  CLONE_NEWNET,
  close,
  ioctl,
  MNT_DETACH,
  mount,
  O_RDONLY,
  open,
  setns,
  SOCK_DGRAM,
  socket,
  umount2,
  unshare,
} from "@tsilium/syscall";

const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;

/** The loopback interface, in every network namespace. */
export const loopback = 1;

/** Moves this thread into a fresh network namespace with its loopback up, until disposed of. */
export function freshNetns(): Disposable {
  const home = open("/proc/thread-self/ns/net", O_RDONLY);
  unshare(CLONE_NEWNET);
  setUp("lo");
  return {
    [Symbol.dispose]() {
      setns(home, CLONE_NEWNET);
      close(home);
    },
  };
}

/** struct ifreq: 16 bytes of name, then the flags. */
function setUp(name: string): void {
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(name));
  new DataView(request.buffer).setUint16(16, IFF_UP, true);
  const fd = socket(AF_INET, SOCK_DGRAM);
  ioctl(fd, SIOCSIFFLAGS, request);
  close(fd);
}

/** A bpffs of its own, unmounted and removed when disposed of. */
export function freshBpffs(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "tsit-bpffs-"));
  mount({ source: "bpffs", target: path, type: "bpf", data: "mode=0700" });
  return {
    path,
    [Symbol.dispose]() {
      umount2(path, MNT_DETACH);
      rmdirSync(path);
    },
  };
}

/** A little-endian u32, as keys and values of most test maps are. */
export function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

/** The number in four bytes, undefined for none. */
export function readU32(bytes: Uint8Array | undefined): number | undefined {
  return bytes && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}
