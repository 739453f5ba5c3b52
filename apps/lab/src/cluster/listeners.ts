// The API server's listening sockets, made by the supervisor and kept open: the server inherits them. Ports
// stay the same when it is restarted, and who connects meanwhile waits instead of being refused.
import { Address } from "@tsilium/net";
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  getsockname,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  listen,
  parseSockaddr,
  setsockopt,
  SO_REUSEADDR,
  sockaddrIn,
  sockaddrIn6,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
  withNetns,
} from "@tsilium/syscall";
import { apiServerPort, fabricAddresses } from "../layout.ts";

export class ApiListeners implements Disposable {
  /** Loopback first. */
  readonly descriptors: readonly number[];
  /** On the machine's loopback. */
  readonly port: number;

  private constructor(descriptors: readonly number[], port: number) {
    this.descriptors = descriptors;
    this.port = port;
  }

  /** Loopback on any free port; the fabric's addresses on the API's usual one. @throws SyscallError */
  static open(fabricNetns: string): ApiListeners {
    const loopback = listenOn("127.0.0.1", 0);
    const { ipv4, ipv6 } = fabricAddresses;
    const fabric = withNetns(fabricNetns, () =>
      [ipv4, ipv6].map((address) => listenOn(address, apiServerPort)),
    );
    const bound = parseSockaddr(getsockname(loopback));
    return new ApiListeners([loopback, ...fabric], "port" in bound ? bound.port : 0);
  }

  [Symbol.dispose](): void {
    for (const fd of this.descriptors) close(fd);
  }
}

function listenOn(text: string, port: number): number {
  const { family, bytes } = Address.parse(text);
  const fd = socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM);
  try {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family === 6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    bind(fd, family === 4 ? sockaddrIn(bytes, port) : sockaddrIn6(bytes, port));
    listen(fd);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
