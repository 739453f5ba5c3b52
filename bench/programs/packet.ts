// One packet through one program, as it comes in on its interface.
import type { Program } from "@tsilium/ebpf";
import type { Packet } from "./rows.ts";

const skBuffSize = 192;
const ifindexOffset = 40;
export const tcActShot = 2;

/** struct __sk_buff as the program is to see it. */
export function contextOf({ ifindex = 0 }: Packet): Uint8Array {
  const ctx = new Uint8Array(skBuffSize);
  new DataView(ctx.buffer).setUint32(ifindexOffset, ifindex, true);
  return ctx;
}

/** Answers the packet as it left. @throws Error when it is dropped */
export function send(program: Program, packet: Packet): Uint8Array {
  const { retval, data } = program.testRun({ data: packet.packet.bytes(), ctx: contextOf(packet) });
  if (retval === tcActShot || retval < 0)
    throw new Error(`${program.name} does not forward the packet: returned ${retval}`);
  return data;
}
