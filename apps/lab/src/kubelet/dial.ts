// TCP connections of this process that live in another network namespace: a kubelet probes from its node.
import { Socket, type SocketConstructorOpts } from "node:net";
import { Address } from "@tsilium/net";
import {
  AF_INET,
  AF_INET6,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket as openSocket,
  withNetns,
} from "@tsilium/syscall";

export type Destination = {
  /** Path of the namespace that the connection starts in. */
  readonly netns: string;
  /** An address, not a name: names belong to the namespace's own resolver. */
  readonly host: string;
  readonly port: number;
};

/**
 * A socket that is connecting; "connect" and "error" tell how it went. No process is forked, and the thread
 * is in the other namespace for the time of one system call.
 * @throws AddressError, SyscallError
 */
export function dial({ netns, host, port }: Destination): Socket {
  const family = Address.parse(host).family === 4 ? AF_INET : AF_INET6;
  const fd = withNetns(netns, () => openSocket(family, SOCK_STREAM | SOCK_NONBLOCK));
  // manualStart: a read before the connection is there would fail. Node has it for its own servers.
  const options: SocketConstructorOpts & { manualStart: true } = { fd, manualStart: true };
  return new Socket(options).connect({ host, port });
}
