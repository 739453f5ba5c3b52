// Codecs: how a value lies in bytes. Generated ones (tools/gen-codecs.ts) are built from the pieces here.

/** A fixed-size binary form of T. `offset` is where the value starts, bytes. */
export type Codec<T> = {
  /** Bytes. */
  readonly size: number;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
  /** Of a struct: its fields by name. */
  readonly fields?: Readonly<Record<string, Field<unknown>>>;
};

/** Where a struct's field begins, bytes from the struct's start. @throws RangeError when it has no such field */
export function offsetOf<T>(codec: Codec<T>, field: keyof T & string): number {
  const at = codec.fields?.[field]?.at;
  if (at === undefined) throw new RangeError(`no field ${field}`);
  return at;
}

/** Reads one value. @throws RangeError when there are too few bytes. */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T {
  return codec.read(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}

/** Writes one value into bytes of its own; padding is zero. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const bytes = new Uint8Array(codec.size);
  codec.write(new DataView(bytes.buffer), 0, value);
  return bytes;
}

const littleEndian = true;

export const u8: Codec<number> = {
  size: 1,
  read: (view, offset) => view.getUint8(offset),
  write: (view, offset, value) => view.setUint8(offset, value),
};

export const u16: Codec<number> = {
  size: 2,
  read: (view, offset) => view.getUint16(offset, littleEndian),
  write: (view, offset, value) => view.setUint16(offset, value, littleEndian),
};

export const u32: Codec<number> = {
  size: 4,
  read: (view, offset) => view.getUint32(offset, littleEndian),
  write: (view, offset, value) => view.setUint32(offset, value, littleEndian),
};

export const u64: Codec<bigint> = {
  size: 8,
  read: (view, offset) => view.getBigUint64(offset, littleEndian),
  write: (view, offset, value) => view.setBigUint64(offset, value, littleEndian),
};

export const i8: Codec<number> = {
  size: 1,
  read: (view, offset) => view.getInt8(offset),
  write: (view, offset, value) => view.setInt8(offset, value),
};

export const i16: Codec<number> = {
  size: 2,
  read: (view, offset) => view.getInt16(offset, littleEndian),
  write: (view, offset, value) => view.setInt16(offset, value, littleEndian),
};

export const i32: Codec<number> = {
  size: 4,
  read: (view, offset) => view.getInt32(offset, littleEndian),
  write: (view, offset, value) => view.setInt32(offset, value, littleEndian),
};

export const i64: Codec<bigint> = {
  size: 8,
  read: (view, offset) => view.getBigInt64(offset, littleEndian),
  write: (view, offset, value) => view.setBigInt64(offset, value, littleEndian),
};

export const bool: Codec<boolean> = {
  size: 1,
  read: (view, offset) => view.getUint8(offset) !== 0,
  write: (view, offset, value) => view.setUint8(offset, value ? 1 : 0),
};

/** __be16: port 80 reads as 80. */
export const be16: Codec<number> = {
  size: 2,
  read: (view, offset) => view.getUint16(offset),
  write: (view, offset, value) => view.setUint16(offset, value),
};

/** __be32: 10.0.0.1 reads as 0x0a000001. */
export const be32: Codec<number> = {
  size: 4,
  read: (view, offset) => view.getUint32(offset),
  write: (view, offset, value) => view.setUint32(offset, value),
};

export const be64: Codec<bigint> = {
  size: 8,
  read: (view, offset) => view.getBigUint64(offset),
  write: (view, offset, value) => view.setBigUint64(offset, value),
};

/** Bytes of a fixed length, copied both ways: addresses, padding of unions. */
export function bytes(size: number): Codec<Uint8Array> {
  return {
    size,
    read: (view, offset) => new Uint8Array(view.buffer, view.byteOffset + offset, size).slice(),
    write: (view, offset, value) => {
      if (value.length !== size) throw new RangeError(`${value.length} bytes where ${size} belong`);
      new Uint8Array(view.buffer, view.byteOffset + offset, size).set(value);
    },
  };
}

/** A C array of anything else. */
export function array<T>(element: Codec<T>, length: number): Codec<readonly T[]> {
  return {
    size: element.size * length,
    read: (view, offset) =>
      Array.from({ length }, (_, index) => element.read(view, offset + index * element.size)),
    write: (view, offset, value) => {
      if (value.length !== length) throw new RangeError(`${value.length} values, not ${length}`);
      value.forEach((item, index) => element.write(view, offset + index * element.size, item));
    },
  };
}

/** A struct's field: where it lies and how. */
export type Field<T> = { readonly at: number; readonly codec: Codec<T> };

/** A C struct from its fields; bytes that no field covers are written as they are found (zero when fresh). */
export function struct<T extends object>(
  size: number,
  fields: { readonly [K in keyof T]: Field<T[K]> },
): Codec<T> {
  const entries = Object.entries(fields) as [keyof T, Field<T[keyof T]>][];
  return {
    size,
    read: (view, offset) => {
      const value: Partial<T> = {};
      for (const [name, { at, codec }] of entries) value[name] = codec.read(view, offset + at);
      return value as T;
    },
    write: (view, offset, value) => {
      for (const [name, { at, codec }] of entries) codec.write(view, offset + at, value[name]);
    },
    fields: fields as Readonly<Record<string, Field<unknown>>>,
  };
}
