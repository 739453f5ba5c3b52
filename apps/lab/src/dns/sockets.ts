// Port 53 of a network namespace, both protocols and families, as descriptors: the namespace is the thread's
// own or, within `withNetns`, another one.
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  isSyscallError,
  listen,
  setsockopt,
  SO_REUSEADDR,
  sockaddrIn,
  sockaddrIn6,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from "@tsilium/syscall";

export type DnsSockets = {
  readonly udp: readonly { readonly fd: number; readonly family: 4 | 6 }[];
  readonly tcp: readonly number[];
};

const dnsPort = 53;

/** Where the kernel has no IPv6 there is IPv4 alone. @throws SyscallError EADDRINUSE */
export function openDnsSockets(): DnsSockets {
  const families = [4, 6] as const;
  return {
    udp: families.flatMap((family) => {
      const fd = bound(family, SOCK_DGRAM);
      return fd === undefined ? [] : [{ fd, family }];
    }),
    tcp: families.flatMap((family) => {
      const fd = bound(family, SOCK_STREAM);
      if (fd === undefined) return [];
      listen(fd);
      return [fd];
    }),
  };
}

function bound(family: 4 | 6, type: number): number | undefined {
  let fd: number;
  try {
    fd = socket(family === 4 ? AF_INET : AF_INET6, type | SOCK_NONBLOCK);
  } catch (error) {
    if (isSyscallError(error, "EAFNOSUPPORT")) return undefined;
    throw error;
  }
  try {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    const anywhere = new Uint8Array(family === 4 ? 4 : 16);
    bind(fd, family === 4 ? sockaddrIn(anywhere, dnsPort) : sockaddrIn6(anywhere, dnsPort));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
