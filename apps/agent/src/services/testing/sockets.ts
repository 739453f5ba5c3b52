// Sockets of this process in other network namespaces, and a cgroup around it: what a pod's process would do, without one.
import { mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Address } from "@tsilium/net";
import {
  accept,
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  getpeername,
  listen,
  MSG_DONTWAIT,
  parseSockaddr,
  recvfrom,
  sendto,
  setsockopt,
  SO_RCVTIMEO,
  SO_REUSEADDR,
  SO_SNDTIMEO,
  sockaddrIn,
  sockaddrIn6,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import type { Netns } from "@tsilium/testkit";
import { findCgroupRoot } from "../datapath-config.ts";

/** Moves this process, and what it starts from now on, into a cgroup of its own, until disposed of. */
export class OwnCgroup implements AsyncDisposable {
  readonly path: string;

  constructor() {
    this.path = join(findCgroupRoot(), `tsit-${process.pid}`);
    mkdirSync(this.path);
    writeFileSync(join(this.path, "cgroup.procs"), String(process.pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    writeFileSync(join(findCgroupRoot(), "cgroup.procs"), String(process.pid));
    // Processes that were killed are in it until they are gone.
    for (let attempt = 0; !this.#isRemoved(attempt); attempt++) await sleep(20);
  }

  #isRemoved(attempt: number): boolean {
    try {
      rmdirSync(this.path);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EBUSY" || attempt > 100) throw error;
      return false;
    }
  }
}

/** A socket, closed at its end. Calls wait two seconds at most. */
export class TestSocket implements Disposable {
  readonly fd: number;
  #isOpen = true;

  constructor(fd: number) {
    this.fd = fd;
    const timeval = new Uint8Array(new BigInt64Array([2n, 0n]).buffer);
    for (const option of [SO_RCVTIMEO, SO_SNDTIMEO]) setsockopt(fd, SOL_SOCKET, option, timeval);
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) close(this.fd);
    this.#isOpen = false;
  }

  send(text: string): void {
    sendto(this.fd, Buffer.from(text));
  }

  /** What comes within two seconds; undefined: nothing. @throws SyscallError */
  receive(): string | undefined {
    const buffer = new Uint8Array(100);
    const length = recvfrom(this.fd, buffer)?.length;
    return length === undefined ? undefined : Buffer.from(buffer.subarray(0, length)).toString();
  }

  /** "open", or the code of the error that the socket was ended with, which is told once. */
  state(): string {
    try {
      recvfrom(this.fd, new Uint8Array(1), MSG_DONTWAIT);
      return "open";
    } catch (error) {
      return (error as { code: string }).code;
    }
  }

  /** What getpeername(2) says: "10.96.0.10:80". */
  get peer(): string {
    const found = parseSockaddr(getpeername(this.fd));
    return "address" in found ? `${Address.fromBytes(found.address)}:${found.port}` : found.family;
  }
}

export type Protocol = "TCP" | "UDP";

/** @throws SyscallError ECONNREFUSED, ETIMEDOUT, EINPROGRESS after two seconds */
export function connectIn(netns: Netns, to: string, { port, protocol }: At): TestSocket {
  const { family, address } = sockaddr(to, port);
  const type = protocol === "TCP" ? SOCK_STREAM : SOCK_DGRAM;
  const opened = new TestSocket(netns.run(() => socket(family, type)));
  try {
    connect(opened.fd, address);
    return opened;
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

type At = { readonly port: number; readonly protocol: Protocol };

/** Listens (TCP), or takes datagrams (UDP), at a pod's address. */
export class TestServer implements Disposable {
  readonly #socket: TestSocket;
  readonly #stack = new DisposableStack();

  constructor(netns: Netns, at: string, { port, protocol }: At) {
    const { family, address } = sockaddr(at, port);
    const type = protocol === "TCP" ? SOCK_STREAM | SOCK_NONBLOCK : SOCK_DGRAM;
    this.#socket = this.#stack.use(new TestSocket(netns.run(() => socket(family, type))));
    setsockopt(this.#socket.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bind(this.#socket.fd, address);
    if (protocol === "TCP") listen(this.#socket.fd);
  }

  /** Connections that came since it was asked last. */
  accepted(): number {
    let count = 0;
    for (let fd = accept(this.#socket.fd); fd !== undefined; fd = accept(this.#socket.fd)) {
      close(fd);
      count++;
    }
    return count;
  }

  receive(): string | undefined {
    return this.#socket.receive();
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function sockaddr(text: string, port: number) {
  const { family, bytes } = Address.parse(text);
  return family === 4
    ? { family: AF_INET, address: sockaddrIn(bytes, port) }
    : { family: AF_INET6, address: sockaddrIn6(bytes, port) };
}
