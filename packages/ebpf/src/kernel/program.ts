// A loaded program: run it on a packet, pin it, ask what the verifier made of it.
import { addressOf } from "@tsilium/syscall";
import { during, ObjectError } from "../errors.ts";
import { Attributes, command, objectInfo, readFixedName } from "./attributes.ts";
import { isKind, KernelObject, openPinned, unpin } from "./object.ts";

export type TestRunOptions = {
  /** The packet, from its Ethernet header; left out for programs that take none. */
  readonly data?: Uint8Array;
  /** struct __sk_buff or xdp_md as the program is to see it; fields it may not set must be zero. */
  readonly ctx?: Uint8Array;
  /** Runs in a row on the same packet, which the program may have changed meanwhile. */
  readonly repeat?: number;
  /** Room for the packet afterwards, bytes; by default 256 more than it had. */
  readonly room?: number;
};

export type TestRunResult = {
  /** The program's answer, signed: TC_ACT_UNSPEC is -1. */
  readonly retval: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
  readonly ctx: Uint8Array;
  /** Mean per run. */
  readonly durationNs: number;
};

export type ProgramInfo = {
  readonly id: number;
  /** enum bpf_prog_type. */
  readonly type: number;
  readonly name: string;
  /** Hash over the instructions, 16 hex digits: equal programs have equal tags. */
  readonly tag: string;
  /** Instructions the verifier walked through; the measure of a program's complexity. */
  readonly verifiedInstructions: number;
  /** Bytes after verification, and of machine code. */
  readonly translatedLength: number;
  readonly jitedLength: number;
  readonly mapIds: readonly number[];
  /** Only counted while run statistics are on (`enableRunStatistics`). */
  readonly runCount: bigint;
  readonly runTimeNs: bigint;
};

const infoSize = 232;

export class Program extends KernelObject {
  readonly name: string;
  /** enum bpf_prog_type. */
  readonly type: number;
  /** enum bpf_attach_type it was loaded for, where known. */
  readonly attachType: number | undefined;

  private constructor(fd: number, facts: { name: string; type: number; attachType?: number }) {
    super(fd);
    this.name = facts.name;
    this.type = facts.type;
    this.attachType = facts.attachType;
  }

  protected override get label(): string {
    return `program ${this.name}`;
  }

  /** Takes over a descriptor. `facts` add what the kernel does not tell: the full name, the attach type. */
  static fromFd(
    fd: number,
    facts: { name?: string; attachType?: number | undefined } = {},
  ): Program {
    if (!isKind(fd, "prog"))
      throw new ObjectError("elf_invalid", `descriptor ${fd} is not a program`);
    const { type, name } = readInfo(fd);
    const attach = facts.attachType === undefined ? {} : { attachType: facts.attachType };
    return new Program(fd, { name: facts.name ?? name, type, ...attach });
  }

  /** Opens a pinned program. @throws BpfError ENOENT when there is none. */
  static fromPinned(path: string, facts: { attachType?: number } = {}): Program {
    return Program.fromFd(openPinned(path, "prog"), facts);
  }

  /** Opens a program by its kernel-wide number. @throws BpfError ENOENT when it is gone. */
  static fromId(id: number): Program {
    return Program.fromFd(
      during(`open of program ${id}`, () =>
        new Attributes(16).u32(0, id).call(command.programFdById),
      ),
    );
  }

  /** Removes a pin; false when it was gone. */
  static unpin(path: string): boolean {
    return unpin(path);
  }

  info(): ProgramInfo {
    return readInfo(this.fd);
  }

  /**
   * BPF_PROG_TEST_RUN in the current network namespace: maps, helpers and verdict are real, nothing is sent.
   * A packet needs at least its 14-byte Ethernet header. @throws BpfError
   */
  testRun(options: TestRunOptions = {}): TestRunResult {
    const { data, ctx, repeat = 1 } = options;
    const dataOut = new Uint8Array(data ? (options.room ?? data.length + 256) : 0);
    const ctxOut = new Uint8Array(ctx?.length ?? 0);
    const attributes = new Attributes(80).u32(0, this.fd).u32(32, repeat);
    if (data)
      attributes.u32(8, data.length).pointer(16, data).u32(12, dataOut.length).pointer(24, dataOut);
    if (ctx)
      attributes.u32(40, ctx.length).pointer(48, ctx).u32(44, ctxOut.length).pointer(56, ctxOut);
    during(`test run of ${this.label}`, () => attributes.call(command.programTestRun));
    const { view } = attributes;
    return {
      retval: view.getInt32(4, true),
      data: dataOut.slice(0, view.getUint32(12, true)),
      ctx: ctxOut.slice(0, view.getUint32(44, true)),
      durationNs: view.getUint32(36, true),
    };
  }
}

/** Counts runs and time of every program until disposed of (BPF_ENABLE_STATS, BPF_STATS_RUN_TIME). */
export function enableRunStatistics(): Disposable {
  const fd = during("run statistics", () => new Attributes(8).u32(0, 0).call(command.enableStats));
  return new Statistics(fd);
}

class Statistics extends KernelObject {
  protected override readonly label = "run statistics";
}

function readInfo(fd: number): ProgramInfo {
  const mapCount = objectInfo(fd, infoSize).view.getUint32(52, true);
  const bytes = new Uint8Array(infoSize);
  const view = new DataView(bytes.buffer);
  const mapIds = new Uint32Array(mapCount);
  view.setUint32(52, mapCount, true);
  if (mapCount > 0) view.setBigUint64(56, addressOf(new Uint8Array(mapIds.buffer)), true);
  new Attributes(16).u32(0, fd).u32(4, infoSize).pointer(8, bytes).call(command.objectInfo);
  const u32 = (offset: number) => view.getUint32(offset, true);
  return {
    type: u32(0),
    id: u32(4),
    tag: Buffer.from(bytes.subarray(8, 16)).toString("hex"),
    jitedLength: u32(16),
    translatedLength: u32(20),
    mapIds: [...mapIds],
    name: readFixedName(bytes, 64),
    runTimeNs: view.getBigUint64(192, true),
    runCount: view.getBigUint64(200, true),
    verifiedInstructions: u32(216),
  };
}
