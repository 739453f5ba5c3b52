// Packets at the hook they are for; those out of the tunnel bring metadata that another program has to set first.
import type { Program } from "@tsilium/ebpf";
import type { TestNode } from "../../bpf/tests/node.ts";
import { TunnelEntry } from "../../bpf/tests/tunnel-entry.ts";
import { send } from "./packet.ts";
import { timePerRun, type Timing } from "./replay.ts";
import type { Packet } from "./rows.ts";

/** `timePerRun` of a packet that came like this. */
export function timeAtHook({ tunnel }: Packet, timing: Timing): number {
  if (!tunnel) return timePerRun(timing);
  const entries: TunnelEntry[] = [];
  const enter = (target: Program) => {
    const entry = new TunnelEntry(target);
    entries.push(entry);
    return entry.from(tunnel);
  };
  try {
    return timePerRun({ ...timing, enter });
  } finally {
    for (const entry of entries) entry[Symbol.dispose]();
  }
}

/** One packet on its way; answers it as it left. @throws Error when it is dropped */
export function sendAtHook(node: TestNode, packet: Packet): Uint8Array {
  const { hook, tunnel } = packet;
  using entry = tunnel ? new TunnelEntry(node.program(hook)) : undefined;
  return send(tunnel && entry ? entry.from(tunnel) : node.program(hook), packet);
}
