// What tsi_xdp costs: one frame through it many times, put back before each (xdp_replay.bpf.c).
import { type Collection, loadCollection, type Program } from "@tsilium/ebpf";
import { compileTestObject } from "./compile.ts";
import { devices, xdpNetns } from "./xdp-netns.ts";

export type Replay = {
  readonly frame: Uint8Array;
  readonly repeat: number;
  /** Bytes from the frame's start that the program may change; at most 144. */
  readonly headers: number;
  /** Where a port is that differs each time, bytes from the frame's start. */
  readonly portOffset?: number;
};

/** Mean nanoseconds per run of the program, what putting back costs taken off. @throws Error when a frame is not forwarded */
export function timePerFrame(program: Program, replay: Replay): number {
  using loaded = load(replay);
  const run = (target: Program) => {
    loaded.map("program_under_test").updateObject(new Uint8Array(4), target);
    const ctx = new Uint8Array(24);
    new Uint32Array(ctx.buffer).set([0, replay.frame.length, 0, devices.eth0]);
    const { frame: data, repeat } = replay;
    return xdpNetns().run(() => loaded.program("replay").testRun({ data, ctx, repeat }));
  };
  const replaying = run(loaded.program("nothing"));
  const { retval, durationNs } = run(program);
  if (retval !== xdpTx) throw new Error(`tsi_xdp does not send the frame back: ${retval}`);
  return durationNs - replaying.durationNs;
}

const xdpTx = 3;

function load({ frame, headers, portOffset = 0 }: Replay): Collection {
  const spec = compileTestObject("xdp_replay");
  const bytes = new Uint8Array(144);
  bytes.set(frame.subarray(0, headers));
  spec.setConstant("headers", bytes);
  spec.setConstant("headers_length", headers);
  spec.setConstant("frame_length", frame.length);
  spec.setConstant("port_offset", portOffset);
  return loadCollection(spec);
}
