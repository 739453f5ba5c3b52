// The UDP socket of a listener, one for each family: where packets of clients to any server arrive.
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  IP_RECVORIGDSTADDR,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVORIGDSTADDR,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  setsockopt,
  SO_RCVBUF,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  sockaddrIn,
  sockaddrIn6,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";

export type Family = 4 | 6;

const receiveBufferBytes = 4 * 1024 * 1024;
const loopback6 = Uint8Array.from({ length: 16 }, (_, index) => (index === 15 ? 1 : 0));

/** The address that listeners wait on. */
export function loopbackOf(family: Family, port: number): Uint8Array {
  return family === 4
    ? sockaddrIn(new Uint8Array([127, 0, 0, 1]), port)
    : sockaddrIn6(loopback6, port);
}

/** A datagram socket whose address may be anybody's. @throws SyscallError */
export function transparentSocket(family: Family, type: number): number {
  const fd = socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK);
  try {
    if (family === 4) setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, 1);
    else {
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      setsockopt(fd, IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
    }
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** @throws SyscallError EADDRINUSE; EAFNOSUPPORT, EADDRNOTAVAIL on machines without that family */
export function openListening(family: Family, port: number): number {
  const fd = transparentSocket(family, SOCK_DGRAM);
  try {
    if (family === 4) setsockopt(fd, IPPROTO_IP, IP_RECVORIGDSTADDR, 1);
    else setsockopt(fd, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, receiveBufferBytes);
    bind(fd, loopbackOf(family, port));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
