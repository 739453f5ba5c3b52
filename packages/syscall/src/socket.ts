// Sockets, with the kernel's own argument order. Addresses are raw sockaddr bytes (see sockaddr.ts); options
// are integers or bytes. Blocking is the caller's choice: SOCK_NONBLOCK, MSG_DONTWAIT or SO_RCVTIMEO.
import { MSG_NOSIGNAL, SOCK_CLOEXEC } from "./constants.ts";
import { addressOf, declare, declareNonBlocking } from "./libc.ts";

const libcSocket = declare("int socket(int domain, int type, int protocol)");
const libcBind = declare("int bind(int fd, void *address, uint32_t length)");
const libcListen = declare("int listen(int fd, int backlog)");
const libcAccept = declareNonBlocking(
  "int accept4(int fd, void *address, void *length, int flags)",
);
const libcConnect = declare("int connect(int fd, void *address, uint32_t length)");
const libcShutdown = declare("int shutdown(int fd, int how)");
const libcSetsockopt = declare(
  "int setsockopt(int fd, int level, int name, void *value, uint32_t length)",
);
const libcGetsockopt = declare(
  "int getsockopt(int fd, int level, int name, void *value, void *length)",
);
const libcGetsockname = declare("int getsockname(int fd, void *address, void *length)");
const libcGetpeername = declare("int getpeername(int fd, void *address, void *length)");
const libcSendto = declareNonBlocking(
  "int64_t sendto(int fd, void *data, size_t length, int flags, void *address, uint32_t addressLength)",
);
const libcRecvfrom = declareNonBlocking(
  "int64_t recvfrom(int fd, void *data, size_t length, int flags, void *address, void *addressLength)",
);
const libcRecvmsg = declareNonBlocking("int64_t recvmsg(int fd, void *message, int flags)");

/** sizeof(struct sockaddr_storage). */
const storageSize = 128;

/** socket(2), close-on-exec. @throws SyscallError */
export function socket(domain: number, type: number, protocol = 0): number {
  return libcSocket(domain, type | SOCK_CLOEXEC, protocol);
}

/** bind(2) to sockaddr bytes. @throws SyscallError */
export function bind(fd: number, address: Uint8Array): void {
  libcBind(fd, address, address.byteLength);
}

/** listen(2). @throws SyscallError */
export function listen(fd: number, backlog = 511): void {
  libcListen(fd, backlog);
}

/** accept4(2), close-on-exec: the new descriptor, or undefined where it would block. */
export function accept(fd: number, flags = 0): number | undefined {
  return libcAccept(fd, null, null, flags | SOCK_CLOEXEC);
}

/** connect(2). @throws SyscallError EINPROGRESS on non-blocking sockets. */
export function connect(fd: number, address: Uint8Array): void {
  libcConnect(fd, address, address.byteLength);
}

/** shutdown(2). @throws SyscallError */
export function shutdown(fd: number, how: "read" | "write" | "both"): void {
  libcShutdown(fd, { read: 0, write: 1, both: 2 }[how]);
}

/** setsockopt(2); a number is passed as a C int. @throws SyscallError */
export function setsockopt(
  fd: number,
  level: number,
  name: number,
  value: number | Uint8Array,
): void {
  const bytes = typeof value === "number" ? new Uint8Array(new Int32Array([value]).buffer) : value;
  libcSetsockopt(fd, level, name, bytes, bytes.byteLength);
}

/** getsockopt(2): the option's bytes, at most `length`. @throws SyscallError */
export function getsockopt(fd: number, level: number, name: number, length = 4): Uint8Array {
  const value = new Uint8Array(length);
  const valueLength = lengthCell(length);
  libcGetsockopt(fd, level, name, value, valueLength.bytes);
  return value.subarray(0, valueLength.read());
}

/** The socket's own address, sockaddr bytes. */
export function getsockname(fd: number): Uint8Array {
  return addressBy(libcGetsockname, fd);
}

/** The peer's address, sockaddr bytes. @throws SyscallError ENOTCONN */
export function getpeername(fd: number): Uint8Array {
  return addressBy(libcGetpeername, fd);
}

/**
 * Sends; MSG_NOSIGNAL is always set. `address` null on connected sockets.
 * Answers the bytes taken, undefined where it would block. @throws SyscallError
 */
export function sendto(
  fd: number,
  data: Uint8Array,
  flags = 0,
  address: Uint8Array | null = null,
): number | undefined {
  return libcSendto(
    fd,
    data,
    data.byteLength,
    flags | MSG_NOSIGNAL,
    address,
    address?.byteLength ?? 0,
  );
}

export type Received = {
  /** Bytes received; with MSG_TRUNC the datagram's full length, even beyond the buffer. */
  readonly length: number;
  /** The sender, sockaddr bytes (empty on stream sockets). */
  readonly address: Uint8Array;
};

/** Receives into `buffer`; undefined where it would block. @throws SyscallError */
export function recvfrom(fd: number, buffer: Uint8Array, flags = 0): Received | undefined {
  const address = new Uint8Array(storageSize);
  const addressLength = lengthCell(storageSize);
  const length = libcRecvfrom(fd, buffer, buffer.byteLength, flags, address, addressLength.bytes);
  if (length === undefined) return undefined;
  return { length, address: address.subarray(0, addressLength.read()) };
}

export type ControlMessage = {
  readonly level: number;
  readonly type: number;
  readonly data: Uint8Array;
};

export type ReceivedMessage = Received & {
  readonly control: readonly ControlMessage[];
  /** MSG_TRUNC, MSG_CTRUNC, ... */
  readonly flags: number;
};

// struct iovec of the call in progress: at module level because the kernel follows a pointer to it, and an
// array that only a pointer refers to may be collected during the call.
const ioVector = new BigUint64Array(2);
const ioVectorBytes = new Uint8Array(ioVector.buffer);

/** recvmsg(2) with one buffer and room for `controlSize` bytes of control messages. */
export function recvmsg(
  fd: number,
  buffer: Uint8Array,
  options: { flags?: number; controlSize?: number } = {},
): ReceivedMessage | undefined {
  const address = new Uint8Array(storageSize);
  const control = new Uint8Array(options.controlSize ?? 256);
  ioVector[0] = addressOf(buffer);
  ioVector[1] = BigInt(buffer.byteLength);
  const header = new DataView(new ArrayBuffer(56));
  header.setBigUint64(0, addressOf(address), true);
  header.setUint32(8, storageSize, true);
  header.setBigUint64(16, addressOf(ioVectorBytes), true);
  header.setBigUint64(24, 1n, true);
  header.setBigUint64(32, addressOf(control), true);
  header.setBigUint64(40, BigInt(control.byteLength), true);
  const length = libcRecvmsg(fd, new Uint8Array(header.buffer), options.flags ?? 0);
  if (length === undefined) return undefined;
  return {
    length,
    address: address.subarray(0, header.getUint32(8, true)),
    control: parseControl(control.subarray(0, Number(header.getBigUint64(40, true)))),
    flags: header.getUint32(48, true),
  };
}

/** Walks struct cmsghdr records: u64 length (header included), i32 level, i32 type, data, padded to 8. */
function parseControl(bytes: Uint8Array): ControlMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: ControlMessage[] = [];
  for (let at = 0; at + 16 <= bytes.byteLength;) {
    const length = Number(view.getBigUint64(at, true));
    if (length < 16 || at + length > bytes.byteLength) break;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    messages.push({ level, type, data: bytes.slice(at + 16, at + length) });
    at += (length + 7) & ~7;
  }
  return messages;
}

function addressBy(call: typeof libcGetsockname, fd: number): Uint8Array {
  const address = new Uint8Array(storageSize);
  const length = lengthCell(storageSize);
  call(fd, address, length.bytes);
  return address.subarray(0, length.read());
}

/** A socklen_t that the kernel reads and writes. */
function lengthCell(initial: number): { bytes: Uint8Array; read: () => number } {
  const cell = new Uint32Array([initial]);
  return { bytes: new Uint8Array(cell.buffer), read: () => cell[0] as number };
}
