// Transparent sockets: listeners that get connections to any address, and connections from the addresses of others.
import { createServer, type Server, Socket } from "node:net";
import { Address, type Family } from "@tsilium/net";
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  isSyscallError,
  listen,
  setsockopt,
  SO_REUSEADDR,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";
import type { End } from "./records.ts";

/** linux/in.h; of either family (Linux 4.2). Not in the constants of @tsilium/syscall yet. */
const IP_BIND_ADDRESS_NO_PORT = 24;
/** linux/tcp.h: how often a SYN is sent again. */
const TCP_SYNCNT = 7;
/** Gives up after half a minute; the kernel's own default takes two. */
const synRetries = 4;
const backlog = 1024;

/** Listens on the loopback address of each family that there is. @throws SyscallError EADDRINUSE, EPERM, ... */
export async function listenTransparently(
  port: number,
  accept: (socket: Socket) => void,
): Promise<Server[]> {
  const fds: number[] = [];
  try {
    fds.push(listeningSocket(Address.parse("127.0.0.1"), port));
    const v6 = unlessMissing(() => listeningSocket(Address.parse("::1"), port));
    if (v6 !== undefined) fds.push(v6);
  } catch (error) {
    for (const fd of fds) close(fd);
    throw error;
  }
  return Promise.all(fds.map((fd) => serve(fd, accept)));
}

/** A socket that connects from `client`'s address, a port of the kernel's choice, to `server`. @throws SyscallError */
export function connectFrom(client: Address, server: End): Socket {
  const fd = transparentSocket(client.family);
  try {
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    setsockopt(fd, IPPROTO_TCP, TCP_SYNCNT, synRetries);
    bind(fd, sockaddr(client, 0));
    beginToConnect(fd, sockaddr(Address.parse(server.address), server.port));
  } catch (error) {
    close(fd);
    throw error;
  }
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
}

function listeningSocket(address: Address, port: number): number {
  const fd = transparentSocket(address.family);
  try {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bind(fd, sockaddr(address, port));
    listen(fd, backlog);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function transparentSocket(family: Family): number {
  const fd = socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK);
  try {
    if (family === 4) setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function beginToConnect(fd: number, address: Uint8Array): void {
  try {
    connect(fd, address);
  } catch (error) {
    if (!isSyscallError(error, "EINPROGRESS")) throw error;
  }
}

function sockaddr(address: Address, port: number): Uint8Array {
  return address.family === 4 ? sockaddrIn(address.bytes, port) : sockaddrIn6(address.bytes, port);
}

async function serve(fd: number, accept: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).once("listening", resolve);
    server.listen({ fd });
  });
  // A connection that cannot be accepted (no descriptors) is the client's to try again.
  server.removeAllListeners("error").on("error", () => undefined);
  return server;
}

/** undefined where the kernel has no IPv6. */
function unlessMissing<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch (error) {
    if (isSyscallError(error, "EAFNOSUPPORT", "EADDRNOTAVAIL")) return undefined;
    throw error;
  }
}
