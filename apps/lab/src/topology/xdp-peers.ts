// What a veth needs for XDP at the node's end. A packet that XDP_TX sends back goes into the ring of the fabric's port,
// and whoever put it there wakes the port only if that has an XDP program of its own (veth_xdp_flush asks for the
// program, not for NAPI, so that GRO alone leaves packets lying; seen on 6.18). So each port has one that passes all.
import { Link, Program } from "@tsilium/ebpf";
import { Rtnl } from "@tsilium/netlink";
import { addressOf, bpf, withNetns } from "@tsilium/syscall";
import type { LabLayout, NodeLayout } from "../layout.ts";

const BPF_PROG_LOAD = 5;
const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;
/** r0 = XDP_PASS; exit */
const passAll = Uint8Array.of(0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
const license = new TextEncoder().encode("GPL\0");

/** Gives the fabric's ports to nodes their programs, in native mode, until disposed of. @throws BpfError, SyscallError */
export function attachXdpPeers(lab: LabLayout, nodes: readonly NodeLayout[]): Disposable {
  using open = new DisposableStack();
  using program = loadPassAll();
  using fabric = Rtnl.open({ netns: lab.fabricNetns });
  for (const node of nodes) {
    const index = fabric.links.get(node.name)?.index;
    if (index === undefined) throw new Error(`the fabric has no port ${node.name}`);
    open.use(withNetns(lab.fabricNetns, () => Link.attachXdp(program, index, "native")));
  }
  return open.move();
}

function loadPassAll(): Program {
  const attributes = new Uint8Array(128);
  const view = new DataView(attributes.buffer);
  view.setUint32(0, BPF_PROG_TYPE_XDP, true);
  view.setUint32(4, passAll.length / 8, true);
  view.setBigUint64(8, addressOf(passAll), true);
  view.setBigUint64(16, addressOf(license), true);
  attributes.set(new TextEncoder().encode("lab_pass"), 48);
  view.setUint32(68, BPF_XDP, true);
  return Program.fromFd(bpf(BPF_PROG_LOAD, attributes), { name: "lab_pass", attachType: BPF_XDP });
}
