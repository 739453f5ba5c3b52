// Ranges of ports as the kernel's hash holds them: blocks of 2^n ports that share their upper bits. A block is one
// number whose order is (protocol, first port, wider before narrower), so that sorting puts a block right after those
// that contain it.

/** protocol (8 bits), first port (16), prefix length (5). */
export type PortCut = number;

export const portBits = 16;

/** The fewest blocks that make up the range: at most 30. */
export function cutRange(protocol: number, first: number, last: number): PortCut[] {
  const cuts: PortCut[] = [];
  for (let port = first; port <= last;) {
    let length = portBits;
    while (length > 0 && isAligned(port, length - 1) && port + sizeOf(length - 1) - 1 <= last)
      length--;
    cuts.push(portCut(protocol, port, length));
    port += sizeOf(length);
  }
  return cuts;
}

export function portCut(protocol: number, port: number, length: number): PortCut {
  return (protocol << 21) | (port << 5) | length;
}

export function readCut(cut: PortCut): {
  readonly protocol: number;
  readonly port: number;
  readonly length: number;
} {
  return { protocol: cut >>> 21, port: (cut >>> 5) & 0xffff, length: lengthOf(cut) };
}

export function lengthOf(cut: PortCut): number {
  return cut & 0x1f;
}

/** How many ports a block of this prefix length has. */
export function sizeOf(length: number): number {
  return 1 << (portBits - length);
}

function isAligned(port: number, length: number): boolean {
  return (port & (sizeOf(length) - 1)) === 0;
}
