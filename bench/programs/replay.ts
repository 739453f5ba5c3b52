// Times one program on one packet by BPF_PROG_TEST_RUN, with the packet's headers put back before every run
// (bench/bpf/replay.bpf.c); what the putting back costs is measured the same way and taken off.
import { type Collection, loadCollection, type Program } from "@tsilium/ebpf";
import { compile } from "../compile.ts";
import { tcActShot } from "./packet.ts";

export type ReplayPacket = {
  readonly bytes: Uint8Array;
  readonly family: 4 | 6;
  /** Every run with another source port: a new connection each time. */
  readonly varyPort: boolean;
  /** struct __sk_buff as the program is to see it. */
  readonly ctx: Uint8Array;
};

export type Timing = {
  readonly program: Program;
  readonly packet: ReplayPacket;
  /** Runs in a row; for new connections no more than the tables have room for. */
  readonly repeat: number;
  /** The program drops it. */
  readonly isDropped?: boolean;
  /** A way in before the program (tunnel metadata): answers the program that leads to the given one. */
  readonly enter?: (target: Program) => Program;
};

/** Mean nanoseconds per run of the program itself; at least 0. @throws Error when a packet meets another end */
export function timePerRun({
  program,
  packet,
  repeat,
  isDropped = false,
  enter = (target) => target,
}: Timing): number {
  using replay = load(packet);
  const entry = replay.program("replay");
  const run = (target: Program, isShot = false) => {
    replay.map("replay_target").updateObject(new Uint8Array(4), enter(target));
    const { retval, durationNs } = entry.testRun({ data: packet.bytes, ctx: packet.ctx, repeat });
    if ((retval === tcActShot) !== isShot || retval < 0)
      throw new Error(`${target.name} ${isShot ? "lets through" : "does not forward"}: ${retval}`);
    return durationNs;
  };
  const replaying = run(replay.program("nothing"));
  return Math.max(0, run(program, isDropped) - replaying);
}

function load({ bytes, family, varyPort }: ReplayPacket): Collection {
  const spec = compile("replay");
  const headers = new Uint8Array(80);
  headers.set(bytes.subarray(0, 80));
  spec.setConstant("headers", headers);
  spec.setConstant("is_ipv6", family === 6 ? 1 : 0);
  spec.setConstant("vary_port", varyPort ? 1 : 0);
  return loadCollection(spec);
}
