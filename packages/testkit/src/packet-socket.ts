// Raw Ethernet frames in and out of a device: what a test sends is what goes on the wire, byte by byte.
import { formatPacket, parsePacket } from "@tsilium/net";
import {
  AF_PACKET,
  bind,
  close,
  ifNameToIndex,
  MSG_DONTWAIT,
  recvfrom,
  sendto,
  socket,
  SOCK_RAW,
  watchReadable,
} from "@tsilium/syscall";
import type { Netns } from "./netns.ts";

const ETH_P_ALL = 3;
const PACKET_OUTGOING = 4;

/** A packet socket bound to one device. It sees what comes in, not what goes out. */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #watch: Disposable;
  readonly #seen: Uint8Array[] = [];
  #wake: () => void = () => {};

  /** Opens on `device` of the namespace. @throws SyscallError ENODEV, EPERM */
  constructor(netns: Netns, device: string) {
    this.#fd = netns.run(() => openOn(device));
    this.#watch = watchReadable(this.#fd, () => this.#receive());
  }

  /** Sends one frame as it is. @throws SyscallError EMSGSIZE above the device's MTU */
  send(frame: Uint8Array): void {
    sendto(this.#fd, frame);
  }

  /**
   * The next frame that `wanted` accepts; frames before it are dropped. @throws Error after `timeoutMs`,
   * listing what came instead
   */
  async receive(wanted: (frame: Uint8Array) => boolean, timeoutMs = 2000): Promise<Uint8Array> {
    const deadline = Date.now() + timeoutMs;
    const others: string[] = [];
    for (;;) {
      const frame = this.#seen.shift();
      if (frame && wanted(frame)) return frame;
      if (frame) {
        others.push(formatPacket(parsePacket(frame)));
        continue;
      }
      if (Date.now() >= deadline)
        throw new Error(
          `no such packet in ${timeoutMs} ms; seen:\n${others.join("\n") || "nothing"}`,
        );
      await this.#next(deadline - Date.now());
    }
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    close(this.#fd);
  }

  #next(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #receive(): void {
    const buffer = new Uint8Array(65_536);
    for (
      let got = recvfrom(this.#fd, buffer, MSG_DONTWAIT);
      got;
      got = recvfrom(this.#fd, buffer, MSG_DONTWAIT)
    )
      // struct sockaddr_ll: the packet's type is its 11th byte.
      if (got.address[10] !== PACKET_OUTGOING) this.#seen.push(buffer.slice(0, got.length));
    this.#wake();
  }
}

function openOn(device: string): number {
  const fd = socket(AF_PACKET, SOCK_RAW, 0);
  try {
    bind(fd, sockaddrLinkLayer(ifNameToIndex(device)));
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** struct sockaddr_ll, 20 bytes: family, protocol in network order, interface index. */
function sockaddrLinkLayer(ifindex: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL);
  view.setInt32(4, ifindex, true);
  return bytes;
}
