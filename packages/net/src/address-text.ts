// The text forms of addresses: RFC 4291 section 2.2 in, RFC 5952 out. Bytes are in network order.

const decimalOctet = /^(0|[1-9][0-9]{0,2})$/;
const hexGroup = /^[0-9a-fA-F]{1,4}$/;

/** 4 bytes, or undefined when `text` is not a dotted quad without leading zeros. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [index, part] of parts.entries()) {
    const value = decimalOctet.test(part) ? Number(part) : 256;
    if (value > 255) return undefined;
    bytes[index] = value;
  }
  return bytes;
}

/** 16 bytes, or undefined when `text` is not an IPv6 address. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [headText, tailText] = halves as [string, string | undefined];
  const compressed = tailText !== undefined;
  const head = parseGroups(headText, !compressed);
  const tail = parseGroups(tailText ?? "", true);
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (compressed ? missing < 1 : missing !== 0) return undefined;
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (const [index, group] of head.entries()) view.setUint16(index * 2, group);
  for (const [index, group] of tail.entries()) view.setUint16((8 - tail.length + index) * 2, group);
  return bytes;
}

/** 16-bit groups between colons; the last may be a dotted quad (two groups) when `mayEndDotted`. */
function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (hexGroup.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const quad = mayEndDotted && index === parts.length - 1 ? parseIpv4(part) : undefined;
    if (!quad) return undefined;
    const [a = 0, b = 0, c = 0, d = 0] = quad;
    groups.push((a << 8) | b, (c << 8) | d);
  }
  return groups.length <= 8 ? groups : undefined;
}

/** "10.0.0.1" for 4 bytes. */
export function formatIpv4(bytes: Uint8Array): string {
  return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
}

/** RFC 5952 text for 16 bytes. */
export function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((bytes[index * 2] as number) << 8) | (bytes[index * 2 + 1] as number),
  );
  if (isMapped(groups)) return `::ffff:${formatIpv4(bytes.subarray(12))}`;
  const run = longestZeroRun(groups);
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return run ? `${text(0, run.start)}::${text(run.start + run.length, 8)}` : text(0, 8);
}

/** ::ffff:0:0/96, RFC 4291 section 2.5.5.2. */
function isMapped(groups: readonly number[]): boolean {
  return groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
}

/** The first of the longest runs of two or more zero groups (RFC 5952, 4.2.2 and 4.2.3). */
function longestZeroRun(
  groups: readonly number[],
): { readonly start: number; readonly length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length >= 2 && length > (best?.length ?? 0)) best = { start, length };
    start += length;
  }
  return best;
}
