// Links: programs attached to something, held by a descriptor or a pin, replaced in place without a gap.
// Interfaces are looked up in the network namespace of the calling thread.
import { close, isSyscallError, O_DIRECTORY, O_RDONLY, open } from "@tsilium/syscall";
import { during, ObjectError } from "../errors.ts";
import { Attributes, command, objectInfo } from "./attributes.ts";
import { isBpfError, isKind, KernelObject, openPinned, unpin } from "./object.ts";
import type { Program } from "./program.ts";

export type Direction = "ingress" | "egress";
export type XdpMode = "auto" | "native" | "generic";

/** enum bpf_attach_type. */
export const attachTypes = { tcxIngress: 46, tcxEgress: 47, xdp: 37 } as const;
const xdpFlags: Readonly<Record<XdpMode, number>> = { auto: 0, generic: 1 << 1, native: 1 << 2 };
const BPF_F_REPLACE = 1 << 2;

export type LinkKind = "tcx" | "xdp" | "cgroup" | "netns" | "other";
const linkKinds: Readonly<Record<number, LinkKind>> = {
  3: "cgroup",
  5: "netns",
  6: "xdp",
  11: "tcx",
};

export type LinkInfo = {
  readonly id: number;
  readonly kind: LinkKind;
  readonly programId: number;
  /** Of tcx and XDP links; 0 once the interface is gone. */
  readonly ifindex: number | undefined;
  /** enum bpf_attach_type, of tcx, cgroup and netns links. */
  readonly attachType: number | undefined;
  /** Inode number of the cgroup. */
  readonly cgroupId: bigint | undefined;
};

export class Link extends KernelObject {
  private constructor(fd: number) {
    super(fd);
  }

  protected override readonly label = "link";

  /**
   * Attaches at the end of an interface's tcx programs. Needs Linux 6.6 (`attachTc` falls back by itself).
   * @throws BpfError EINVAL on older kernels, ENODEV when the interface is gone.
   */
  static attachTcx(program: Program, ifindex: number, direction: Direction): Link {
    const attachType = direction === "ingress" ? attachTypes.tcxIngress : attachTypes.tcxEgress;
    return create(`tcx ${direction} of interface ${ifindex}`, program, {
      target: ifindex,
      attachType,
    });
  }

  /** Attaches to an interface's XDP hook; one program per interface. @throws BpfError EBUSY when taken. */
  static attachXdp(program: Program, ifindex: number, mode: XdpMode = "auto"): Link {
    const flags = xdpFlags[mode];
    const target = { target: ifindex, attachType: attachTypes.xdp, flags };
    return create(`XDP of interface ${ifindex}`, program, target);
  }

  /**
   * Attaches to a cgroup (v2) and everything below it, beside programs that are there already.
   * `attachType` is the program's own unless it was opened from a pin.
   */
  static attachCgroup(program: Program, path: string, attachType = program.attachType): Link {
    return attachToFile(program, path, attachType);
  }

  /** Attaches sk_lookup and flow dissector programs to a network namespace ("/proc/self/ns/net"). */
  static attachNetns(program: Program, path: string, attachType = program.attachType): Link {
    return attachToFile(program, path, attachType);
  }

  /** Takes over a descriptor. */
  static fromFd(fd: number): Link {
    if (!isKind(fd, "link")) throw new ObjectError("elf_invalid", `descriptor ${fd} is not a link`);
    return new Link(fd);
  }

  /** Opens a pinned link. @throws BpfError ENOENT when there is none. */
  static fromPinned(path: string): Link {
    return Link.fromFd(openPinned(path, "link"));
  }

  /** Opens a link by its kernel-wide number. @throws BpfError ENOENT when it is gone. */
  static fromId(id: number): Link {
    return Link.fromFd(
      during(`open of link ${id}`, () => new Attributes(16).u32(0, id).call(command.linkFdById)),
    );
  }

  /** Removes a pin; false when it was gone. A link that nothing holds any more detaches. */
  static unpin(path: string): boolean {
    return unpin(path);
  }

  /**
   * Replaces the program in one step: every packet meets the old one or the new one.
   * With `expected`, only while that program is the attached one. @throws BpfError
   */
  update(program: Program, expected?: Program): void {
    const attributes = new Attributes(16).u32(0, this.fd).u32(4, program.fd);
    if (expected) attributes.u32(8, BPF_F_REPLACE).u32(12, expected.fd);
    during(`update of link to ${program.name}`, () => attributes.call(command.linkUpdate));
  }

  /** Detaches now, whoever else holds the link. Detaching twice is as good as once. */
  detach(): void {
    try {
      during("detach of link", () => new Attributes(8).u32(0, this.fd).call(command.linkDetach));
    } catch (error) {
      if (!isBpfError(error, "ENOLINK", "ENOENT")) throw error;
    }
  }

  info(): LinkInfo {
    return readInfo(this.fd);
  }
}

type Target = {
  readonly target: number;
  readonly attachType: number;
  readonly flags?: number;
};

function create(what: string, program: Program, to: Target): Link {
  const attributes = new Attributes(32)
    .u32(0, program.fd)
    .u32(4, to.target)
    .u32(8, to.attachType)
    .u32(12, to.flags ?? 0);
  return Link.fromFd(
    during(`attach of ${program.name} to ${what}`, () => attributes.call(command.linkCreate)),
  );
}

function attachToFile(program: Program, path: string, attachType: number | undefined): Link {
  if (attachType === undefined)
    throw new ObjectError("section_unknown", `program ${program.name} names no attach type`);
  const isFolder = !path.includes("/ns/");
  const fd = during(`open of ${path}`, () => open(path, O_RDONLY | (isFolder ? O_DIRECTORY : 0)));
  try {
    return create(path, program, { target: fd, attachType });
  } finally {
    close(fd);
  }
}

/** struct bpf_link_info: type, id, program, then by type. */
function readInfo(fd: number): LinkInfo {
  const { view } = objectInfo(fd, 64);
  const u32 = (offset: number) => view.getUint32(offset, true);
  const kind = linkKinds[u32(0)] ?? "other";
  const onInterface = kind === "tcx" || kind === "xdp";
  const attachTypeAt = { tcx: 20, cgroup: 24, netns: 20, xdp: undefined, other: undefined }[kind];
  return {
    id: u32(4),
    kind,
    programId: u32(8),
    ifindex: onInterface ? u32(16) : undefined,
    attachType: attachTypeAt === undefined ? undefined : u32(attachTypeAt),
    cgroupId: kind === "cgroup" ? view.getBigUint64(16, true) : undefined,
  };
}

/** Whether the running kernel has tcx, found out by asking about an interface that every namespace has. */
export function hasTcx(): boolean {
  const loopback = 1;
  try {
    new Attributes(64).u32(0, loopback).u32(4, attachTypes.tcxIngress).call(command.programQuery);
    return true;
  } catch (error) {
    if (isSyscallError(error, "EINVAL")) return false;
    if (isSyscallError(error, "ENOENT")) return true;
    throw error;
  }
}
