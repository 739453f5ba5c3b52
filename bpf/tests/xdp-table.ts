// Tables of frames at XDP: a row is a sentence, a frame, and what becomes of it, byte by byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ether, type PacketBuilder } from "@tsilium/net";
import { describe } from "./node.ts";
import { type PacketLike, toBytes } from "./table.ts";
import { type Family, node as nodeAddress, otherNode } from "./world.ts";
import { type Device, links } from "./xdp-netns.ts";
import type { XdpNode, XdpVerdict } from "./xdp-node.ts";

export type XdpRow = {
  readonly sentence: string;
  /** Frames that came before, and were sent on. */
  readonly before?: readonly PacketLike[];
  readonly packet: PacketLike;
  readonly device?: Device;
  readonly verdict: XdpVerdict;
  /** The frame afterwards, unless it passed. */
  readonly out?: PacketLike | Around;
};

/** A frame in a tunnel's headers, some of which XDP chooses freely: those are taken from what it made. */
export type Around = (made: Uint8Array) => PacketBuilder;

/** The same row for IPv4 and IPv6. */
export function both(row: (family: Family) => XdpRow): XdpRow[] {
  return ([4, 6] as const).map((family) => {
    const { sentence, ...rest } = row(family);
    return { sentence: `IPv${family}: ${sentence}`, ...rest };
  });
}

/** A test per row, each on a node that has seen no flow. */
export function xdpTable(node: () => XdpNode, rows: readonly XdpRow[]): void {
  for (const row of rows) test(row.sentence, () => checkRow(node(), row));
}

function checkRow(node: XdpNode, { before = [], packet, device, verdict, out }: XdpRow): void {
  node.tc.reset();
  for (const frame of before)
    assert.equal(node.try(toBytes(frame), device).verdict, "tx", "a frame before the row's");
  const got = node.try(toBytes(packet), device);
  if (verdict === "pass") return assert.equal(got.verdict, verdict);
  if (out === undefined) throw new Error("a row without the frame that is sent");
  const wanted = typeof out === "function" ? out(got.packet).bytes() : toBytes(out);
  assert.equal(`${got.verdict}\n${describe(got.packet)}`, `${verdict}\n${describe(wanted)}`);
  assert.deepEqual(got.packet, wanted, "what the description leaves out");
}

export type Outer = {
  /** Of the tunnel's own headers. */
  readonly family: Family;
  readonly vni: number;
  readonly trafficClass?: number;
};

/** A frame on its way from this node to the other one. */
export function around(inner: PacketLike, { family, vni, trafficClass = 0 }: Outer): Around {
  const link = ether({ src: links.eth0, dst: links.otherNode });
  const [src, dst] = [nodeAddress[family], otherNode[family]];
  return (made) => {
    const view = new DataView(made.buffer, made.byteOffset);
    const sport = view.getUint16(family === 4 ? 34 : 54);
    const ip =
      family === 4
        ? link.ipv4({ src, dst, id: view.getUint16(18), tos: trafficClass })
        : link.ipv6({ src, dst, trafficClass });
    // IPv4 does without a checksum, IPv6 does not.
    const udp = family === 4 ? { sport, dport: 8472, checksum: 0 } : { sport, dport: 8472 };
    return ip.udp(udp).vxlan({ vni }).payload(toBytes(inner));
  };
}
