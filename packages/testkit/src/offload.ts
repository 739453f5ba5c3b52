// Checksum offload of a device (ethtool(8) -K DEV tx off), without which veth hides checksum bugs: it leaves
// them unfinished and nobody verifies.
import { addressOf, AF_INET, close, ioctl, socket, SOCK_DGRAM } from "@tsilium/syscall";
import type { Netns } from "./netns.ts";

const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;

/** Makes the device's stack finish every checksum itself (or leave it to the device again). @throws SyscallError */
export function setTxChecksumOffload(netns: Netns, device: string, offload: "on" | "off"): void {
  // struct ethtool_value: command and data; struct ifreq: the name, then a pointer to it.
  const value = new Uint8Array(new Uint32Array([ETHTOOL_STXCSUM, offload === "on" ? 1 : 0]).buffer);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(device).subarray(0, 15));
  new DataView(request.buffer).setBigUint64(16, addressOf(value), true);
  const fd = netns.run(() => socket(AF_INET, SOCK_DGRAM));
  try {
    ioctl(fd, SIOCETHTOOL, request);
  } finally {
    close(fd);
  }
}
