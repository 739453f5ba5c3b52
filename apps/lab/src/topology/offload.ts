// Checksum offload of a device (ethtool(8) -K DEV tx off). A veth leaves checksums unfinished, since nothing between its
// ends can damage a packet; an XDP program at the other end sees them so, and cannot correct what is not there yet.
import { addressOf, AF_INET, close, ioctl, socket, SOCK_DGRAM, withNetns } from "@tsilium/syscall";

const SIOCETHTOOL = 0x8946;
const ETHTOOL_STXCSUM = 0x17;
const longestName = 15;

/** Has the stack finish every checksum before the device; segmentation offload goes with it. @throws SyscallError */
export function switchTxChecksumOffloadOff(netns: string, device: string): void {
  // struct ethtool_value: command and data; struct ifreq: the name, then a pointer to it.
  const value = new Uint8Array(new Uint32Array([ETHTOOL_STXCSUM, 0]).buffer);
  const request = new Uint8Array(40);
  request.set(new TextEncoder().encode(device).subarray(0, longestName));
  new DataView(request.buffer).setBigUint64(16, addressOf(value), true);
  const fd = withNetns(netns, () => socket(AF_INET, SOCK_DGRAM));
  try {
    ioctl(fd, SIOCETHTOOL, request);
  } finally {
    close(fd);
  }
}
