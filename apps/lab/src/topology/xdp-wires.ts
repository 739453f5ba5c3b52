// Wires as XDP at nodes' devices needs them: what a veth leaves out must be done (offload.ts), and its other end must look
// after what comes back (xdp-peers.ts).
import type { Acceleration } from "../cluster/settings.ts";
import type { LabLayout, NodeLayout } from "../layout.ts";
import { switchTxChecksumOffloadOff } from "./offload.ts";
import { attachXdpPeers } from "./xdp-peers.ts";

/** Until disposed of. @throws BpfError, SyscallError */
export function prepareForXdp(
  lab: LabLayout,
  nodes: readonly NodeLayout[],
  acceleration: Acceleration,
): Disposable {
  if (acceleration === "none") return new DisposableStack();
  switchTxChecksumOffloadOff(lab.worldNetns, "eth0");
  switchTxChecksumOffloadOff(lab.fabricNetns, "world");
  for (const node of nodes) {
    switchTxChecksumOffloadOff(node.netns, "eth0");
    switchTxChecksumOffloadOff(lab.fabricNetns, node.name);
  }
  return acceleration === "native" ? attachXdpPeers(lab, nodes) : new DisposableStack();
}
