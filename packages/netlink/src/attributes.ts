// Netlink attributes (struct nlattr): length and type as u16 in host order, data, padding to 4. Pure.
// Readers answer undefined for what is absent or too short: nothing here throws on foreign bytes.
import { Address, Mac } from "@tsilium/net";

const NLA_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;
const headerSize = 4;

export type Attributes = ReadonlyMap<number, Uint8Array>;

/** Attributes by type, data as views. Of a type that repeats the last stays; what is broken ends the walk. */
export function readAttributes(bytes: Uint8Array | undefined): Attributes {
  const found = new Map<number, Uint8Array>();
  if (!bytes) return found;
  const view = viewOf(bytes);
  for (let at = 0; at + headerSize <= bytes.length;) {
    const length = view.getUint16(at, true);
    if (length < headerSize || length > bytes.length - at) break;
    const type = view.getUint16(at + 2, true) & NLA_TYPE_MASK;
    found.set(type, bytes.subarray(at + headerSize, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function u8(data: Uint8Array | undefined): number | undefined {
  return data?.[0];
}

export function u16be(data: Uint8Array | undefined): number | undefined {
  return data && data.length >= 2 ? viewOf(data).getUint16(0) : undefined;
}

export function u32(data: Uint8Array | undefined): number | undefined {
  return data && data.length >= 4 ? viewOf(data).getUint32(0, true) : undefined;
}

export function i32(data: Uint8Array | undefined): number | undefined {
  return data && data.length >= 4 ? viewOf(data).getInt32(0, true) : undefined;
}

/** Text up to its terminating zero, which may be missing. */
export function text(data: Uint8Array | undefined): string | undefined {
  if (!data) return undefined;
  const end = data.indexOf(0);
  return new TextDecoder().decode(end < 0 ? data : data.subarray(0, end));
}

export function address(data: Uint8Array | undefined): Address | undefined {
  return data?.length === 4 || data?.length === 16 ? Address.fromBytes(data) : undefined;
}

export function mac(data: Uint8Array | undefined): Mac | undefined {
  return data?.length === 6 ? Mac.fromBytes(data) : undefined;
}

/** Builds a payload: a fixed header first, then attributes in call order. Undefined values are left out. */
export class AttributeWriter {
  #bytes: Uint8Array;
  #length: number;

  /** @param header the family's fixed struct (ifinfomsg, rtmsg, ...), a multiple of 4 bytes */
  constructor(header: Uint8Array = new Uint8Array()) {
    this.#bytes = new Uint8Array(Math.max(256, header.length * 2));
    this.#bytes.set(header);
    this.#length = header.length;
  }

  raw(type: number, data: Uint8Array | undefined): this {
    if (!data) return this;
    const start = this.#reserve(headerSize + data.length);
    this.#header(start, headerSize + data.length, type);
    this.#bytes.set(data, start + headerSize);
    return this;
  }

  u8(type: number, value: number | undefined): this {
    return value === undefined ? this : this.raw(type, Uint8Array.of(value));
  }

  bool(type: number, value: boolean | undefined): this {
    return value === undefined ? this : this.u8(type, value ? 1 : 0);
  }

  u16be(type: number, value: number | undefined): this {
    return value === undefined ? this : this.raw(type, Uint8Array.of(value >> 8, value & 0xff));
  }

  u32(type: number, value: number | undefined): this {
    if (value === undefined) return this;
    const data = new Uint8Array(4);
    viewOf(data).setUint32(0, value, true);
    return this.raw(type, data);
  }

  /** Text with its terminating zero. */
  text(type: number, value: string | undefined): this {
    return value === undefined ? this : this.raw(type, new TextEncoder().encode(`${value}\0`));
  }

  address(type: number, value: Address | undefined): this {
    return this.raw(type, value?.bytes);
  }

  /** An attribute whose data is attributes (or a fixed struct and attributes), written by `fill`. */
  nested(type: number, fill: (writer: this) => void, header: Uint8Array = new Uint8Array()): this {
    const start = this.#reserve(headerSize + header.length);
    this.#bytes.set(header, start + headerSize);
    fill(this);
    this.#header(start, this.#length - start, type | NLA_F_NESTED);
    return this;
  }

  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Room for `length` more bytes and their padding; answers where they start. */
  #reserve(length: number): number {
    const start = this.#length;
    this.#length += (length + 3) & ~3;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(this.#length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return start;
  }

  #header(start: number, length: number, type: number): void {
    const view = viewOf(this.#bytes);
    view.setUint16(start, length, true);
    view.setUint16(start + 2, type, true);
  }
}
