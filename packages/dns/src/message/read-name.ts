// Names as messages have them (RFC 1035, 4.1.4): labels, and pointers to names further up.

const maxNameBytes = 255;
/** More pointers than labels that fit a name have no use but to keep readers busy. */
const maxPointers = 128;
const backslash = 0x5c;
const dot = 0x2e;

/** What a byte of a label is as text: its lower case; 0: nothing that a host name has, written "\DDD". */
const asText = Uint8Array.from({ length: 256 }, (_, byte) =>
  /[-a-z0-9_]/.test(String.fromCharCode(byte | 0))
    ? byte
    : byte >= 65 && byte <= 90
      ? byte | 0x20
      : 0,
);

/** Reads names: the text is in `name`, lower case and without the final dot. One for each who reads. */
export class NameReader {
  name = "";
  // Every byte of a name takes four characters at most.
  readonly #text: Buffer = Buffer.alloc(4 * maxNameBytes);

  /**
   * Reads the name at `at` of a message that ends before `end`. Answers where it ends, or -1 if it is none: too long, cut
   * off, or with pointers that do not all lead strictly up (so that loops are none).
   * @param pointers false: a name that is written out, as in questions
   */
  read(bytes: Buffer, at: number, end: number, pointers: boolean): number {
    let length = 1;
    let textLength = 0;
    let next = -1;
    let lowest = at;
    let pointersLeft = pointers ? maxPointers : 0;
    for (;;) {
      if (at >= end) return -1;
      const size = bytes[at] as number;
      if (size === 0) break;
      if (size >= 0xc0) {
        if (pointersLeft-- === 0 || at + 2 > end) return -1;
        const target = ((size & 0x3f) << 8) | (bytes[at + 1] as number);
        // Names begin behind the header.
        if (target >= lowest || target < 12) return -1;
        if (next < 0) next = at + 2;
        lowest = target;
        at = target;
        continue;
      }
      length += size + 1;
      if (size > 63 || length > maxNameBytes || at + 1 + size > end) return -1;
      if (textLength > 0) this.#text[textLength++] = dot;
      textLength = this.#label(bytes, at + 1, size, textLength);
      at += 1 + size;
    }
    this.name = this.#text.toString("latin1", 0, textLength);
    return next < 0 ? at + 1 : next;
  }

  #label(bytes: Buffer, from: number, size: number, textLength: number): number {
    const text = this.#text;
    let to = textLength;
    for (let at = from; at < from + size; at++) {
      const byte = bytes[at] as number;
      const character = asText[byte] as number;
      if (character !== 0) {
        text[to++] = character;
        continue;
      }
      text[to++] = backslash;
      text[to++] = 0x30 + Math.floor(byte / 100);
      text[to++] = 0x30 + (Math.floor(byte / 10) % 10);
      text[to++] = 0x30 + (byte % 10);
    }
    return to;
  }
}
