// TCP sockets with addresses that are not ours, made by hand and given to Node.
import { Socket } from "node:net";
import type { Address } from "@tsilium/net";
import {
  bind,
  close,
  connect,
  IP_BIND_ADDRESS_NO_PORT,
  IPPROTO_IP,
  isSyscallError,
  listen,
  setsockopt,
  SO_REUSEADDR,
  SOCK_STREAM,
  sockaddrIn,
  sockaddrIn6,
  SOL_SOCKET,
} from "@tsilium/syscall";
import { type Family, loopbackOf, transparentSocket } from "../udp/listening.ts";

/** A listening socket that takes connections to any address, assigned to it. @throws SyscallError EADDRINUSE, ... */
export function openListener(family: Family, port: number): number {
  const fd = transparentSocket(family, SOCK_STREAM);
  try {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    bind(fd, loopbackOf(family, port));
    listen(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A connection from the client's own address; how it fails is told by the socket. @throws SyscallError ENETUNREACH, EMFILE, ... */
export function connectFrom(client: Address, server: { address: Address; port: number }): Socket {
  const fd = transparentSocket(client.family, SOCK_STREAM);
  const sockaddr = client.family === 4 ? sockaddrIn : sockaddrIn6;
  try {
    // The hook of the proxy's cgroup chooses the port.
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    bind(fd, sockaddr(client.bytes, 0));
    connect(fd, sockaddr(server.address.bytes, server.port));
  } catch (error) {
    if (!isSyscallError(error, "EINPROGRESS")) {
      close(fd);
      throw error;
    }
  }
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: false });
}
