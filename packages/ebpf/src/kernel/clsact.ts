// The older way onto an interface, for kernels without tcx: a clsact queueing discipline with a bpf filter in
// direct-action mode (tc-bpf(8)). Told to the kernel in raw rtnetlink, so that this package needs no other.
// Everything happens in the network namespace of the calling thread.
import {
  AF_NETLINK,
  bind,
  close,
  isSyscallError,
  NETLINK_ROUTE,
  recvfrom,
  sendto,
  SOCK_RAW,
  sockaddrNetlink,
  socket,
  SyscallError,
} from "@tsilium/syscall";
import { BpfError } from "../errors.ts";
import { hasTcx, Link, type Direction } from "./link.ts";
import type { Program } from "./program.ts";

const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const NLMSG_ERROR = 2;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const TC_H_CLSACT = 0xfffffff1;
const clsactHandle = 0xffff0000;
const parents: Readonly<Record<Direction, number>> = { ingress: 0xfffffff2, egress: 0xfffffff3 };
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_FLAG_ACT_DIRECT = 1;
/** Priority in the high half, ETH_P_ALL in network order in the low one. */
const filterInfo = (1 << 16) | 0x0300;
const filterHandle = 1;

/** A program at an interface, however it got there. */
export type TcAttachment = {
  /** Replaces the program in one step. */
  update(program: Program): void;
  /** Detaches; nothing happens when it is gone already. */
  detach(): void;
};

/**
 * Attaches by tcx, or by clsact where the kernel has no tcx. A tcx link dies with its last holder unless it is
 * pinned; a clsact filter stays with the interface. @throws BpfError
 */
export function attachTc(
  program: Program,
  ifindex: number,
  direction: Direction,
): Link | ClsactFilter {
  if (hasTcx()) return Link.attachTcx(program, ifindex, direction);
  return ClsactFilter.attach(program, ifindex, direction);
}

/** The one filter this package keeps per interface and direction: priority 1, handle 1. */
export class ClsactFilter implements TcAttachment {
  readonly ifindex: number;
  readonly direction: Direction;

  private constructor(ifindex: number, direction: Direction) {
    this.ifindex = ifindex;
    this.direction = direction;
  }

  /** Attaches, or replaces in place what was attached before. @throws BpfError ENODEV without the interface. */
  static attach(program: Program, ifindex: number, direction: Direction): ClsactFilter {
    addClsact(ifindex);
    const filter = new ClsactFilter(ifindex, direction);
    filter.update(program);
    return filter;
  }

  /** Takes over a filter attached earlier, by another process perhaps. Nothing is checked until it is used. */
  static adopt(ifindex: number, direction: Direction): ClsactFilter {
    return new ClsactFilter(ifindex, direction);
  }

  update(program: Program): void {
    const options = concatenate([
      attribute(TCA_BPF_FD, u32(program.fd)),
      attribute(TCA_BPF_NAME, text(program.name)),
      attribute(TCA_BPF_FLAGS, u32(TCA_BPF_FLAG_ACT_DIRECT)),
    ]);
    request(`attach of ${program.name} to ${this.#place()}`, {
      type: RTM_NEWTFILTER,
      flags: NLM_F_CREATE,
      body: this.#filter(attribute(TCA_OPTIONS, options)),
    });
  }

  detach(): void {
    try {
      const body = this.#filter();
      request(`detach from ${this.#place()}`, { type: RTM_DELTFILTER, flags: 0, body });
    } catch (error) {
      // No interface, no clsact on it, no filter: all mean that it is gone.
      if (!(error instanceof BpfError && ["ENODEV", "ENOENT", "EINVAL"].includes(error.code)))
        throw error;
    }
  }

  #filter(...attributes: Uint8Array[]): Uint8Array {
    const message = trafficMessage({
      ifindex: this.ifindex,
      handle: filterHandle,
      parent: parents[this.direction],
      info: filterInfo,
    });
    return concatenate([message, attribute(TCA_KIND, text("bpf")), ...attributes]);
  }

  #place(): string {
    return `clsact ${this.direction} of interface ${this.ifindex}`;
  }
}

function addClsact(ifindex: number): void {
  const message = trafficMessage({ ifindex, handle: clsactHandle, parent: TC_H_CLSACT, info: 0 });
  try {
    request(`clsact on interface ${ifindex}`, {
      type: RTM_NEWQDISC,
      flags: NLM_F_CREATE | NLM_F_EXCL,
      body: concatenate([message, attribute(TCA_KIND, text("clsact"))]),
    });
  } catch (error) {
    if (!(error instanceof BpfError && error.code === "EEXIST")) throw error;
  }
}

/** struct tcmsg: u8 family, 3 bytes of padding, i32 ifindex, u32 handle, u32 parent, u32 info. */
function trafficMessage(fields: {
  ifindex: number;
  handle: number;
  parent: number;
  info: number;
}): Uint8Array {
  const view = new DataView(new ArrayBuffer(20));
  view.setInt32(4, fields.ifindex, true);
  view.setUint32(8, fields.handle, true);
  view.setUint32(12, fields.parent, true);
  view.setUint32(16, fields.info, true);
  return new Uint8Array(view.buffer);
}

function u32(value: number): Uint8Array {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(`${value}\0`);
}

/** struct rtattr: u16 length (header included), u16 type, payload, padded to 4. */
function attribute(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((4 + payload.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + payload.length, true);
  view.setUint16(2, type, true);
  bytes.set(payload, 4);
  return bytes;
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

type Message = { readonly type: number; readonly flags: number; readonly body: Uint8Array };

/** Sends one message and waits for the kernel's answer, which comes before sendto(2) returns. @throws BpfError */
function request(operation: string, message: Message): void {
  const fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  try {
    bind(fd, sockaddrNetlink());
    sendto(fd, frame(message), 0, sockaddrNetlink());
    const answer = new Uint8Array(4096);
    const view = new DataView(answer.buffer);
    if (!recvfrom(fd, answer) || view.getUint16(4, true) !== NLMSG_ERROR)
      throw new SyscallError("rtnetlink", 71);
    const errno = -view.getInt32(16, true);
    if (errno !== 0) throw new SyscallError("rtnetlink", errno);
  } catch (error) {
    throw isSyscallError(error) ? new BpfError(operation, error) : error;
  } finally {
    close(fd);
  }
}

/** struct nlmsghdr: u32 length, u16 type, u16 flags, u32 sequence, u32 port. */
function frame({ type, flags, body }: Message): Uint8Array {
  const bytes = new Uint8Array(16 + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags | NLM_F_REQUEST | NLM_F_ACK, true);
  view.setUint32(8, 1, true);
  bytes.set(body, 16);
  return bytes;
}
