// TCP flags as flows show them: one object for each combination, with Cilium's summary.
import type { TcpFlags } from "../model.ts";

type Shown = { readonly flags: TcpFlags; readonly summary: string };

/** In the order in which Cilium names them. */
const names = [
  ["SYN", 0x02],
  ["ACK", 0x10],
  ["RST", 0x04],
  ["FIN", 0x01],
  ["PSH", 0x08],
  ["URG", 0x20],
  ["ECE", 0x40],
  ["CWR", 0x80],
  ["NS", 0x100],
] as const;

const all: readonly Shown[] = Array.from({ length: 512 }, (_, bits) => shown(bits));

/** @param bits the low nine bits of a TCP header's offset and flags */
export function tcpFlags(bits: number): Shown {
  return all[bits & 0x1ff] as Shown;
}

function shown(bits: number): Shown {
  const has = (bit: number): boolean => (bits & bit) !== 0;
  const flags: TcpFlags = Object.freeze({
    fin: has(0x01),
    syn: has(0x02),
    rst: has(0x04),
    psh: has(0x08),
    ack: has(0x10),
    urg: has(0x20),
    ece: has(0x40),
    cwr: has(0x80),
    ns: has(0x100),
  });
  const set = names.filter(([, bit]) => has(bit)).map(([name]) => name);
  return { flags, summary: `TCP Flags: ${set.join(", ")}` };
}
