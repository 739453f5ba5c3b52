// BPF Type Format (Documentation/bpf/btf.rst): the types of an object file, read from its .BTF section and
// asked by number or name. Pure, and tolerant of kinds that later kernels add after what it needs.
import { ObjectError } from "../errors.ts";
import { readName } from "./elf.ts";

export type BtfMember = {
  readonly name: string;
  readonly type: number;
  /** Offset within the struct or union, bits. */
  readonly bitOffset: number;
  /** Width of a bit-field, 0 for ordinary members. */
  readonly bitSize: number;
};

export type BtfType =
  | { readonly kind: "void" }
  | {
      readonly kind: "int";
      readonly name: string;
      readonly size: number;
      readonly signed: boolean;
      readonly bool: boolean;
    }
  | { readonly kind: "float"; readonly name: string; readonly size: number }
  | { readonly kind: "ptr"; readonly type: number }
  | { readonly kind: "array"; readonly type: number; readonly length: number }
  | {
      readonly kind: "struct" | "union";
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: "enum";
      readonly name: string;
      readonly size: number;
      readonly values: readonly { readonly name: string; readonly value: bigint }[];
    }
  | {
      readonly kind: "typedef" | "volatile" | "const" | "restrict" | "type_tag";
      readonly name: string;
      readonly type: number;
    }
  | { readonly kind: "fwd"; readonly name: string }
  | {
      readonly kind: "func";
      readonly name: string;
      readonly type: number;
      readonly linkage: number;
    }
  | { readonly kind: "func_proto"; readonly type: number }
  | { readonly kind: "var"; readonly name: string; readonly type: number; readonly linkage: number }
  | {
      readonly kind: "datasec";
      readonly name: string;
      readonly size: number;
      readonly variables: readonly BtfSectionVariable[];
    }
  | { readonly kind: "decl_tag"; readonly name: string; readonly type: number };

export type BtfSectionVariable = {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
};

const BTF_MAGIC = 0xeb9f;
const headerLength = 24;

/** Where a type record starts within the raw bytes, for the few edits that loading needs. */
export type BtfRecord = { readonly type: BtfType; readonly at: number };

export class Btf {
  /** The section's bytes, unchanged. */
  readonly raw: Uint8Array;
  /** By type number; number 0 is void. */
  readonly records: readonly BtfRecord[];
  readonly #strings: Uint8Array;

  /** @throws ObjectError btf_invalid */
  constructor(raw: Uint8Array) {
    this.raw = raw;
    const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
    try {
      if (view.getUint16(0, true) !== BTF_MAGIC) throw invalid("wrong magic");
      const base = view.getUint32(4, true);
      const typesAt = base + view.getUint32(8, true);
      const typesEnd = typesAt + view.getUint32(12, true);
      const stringsAt = base + view.getUint32(16, true);
      this.#strings = raw.subarray(stringsAt, stringsAt + view.getUint32(20, true));
      if (base < headerLength || typesEnd > raw.length) throw invalid("types lie outside");
      this.records = readTypes(view, typesAt, typesEnd, (offset) => this.string(offset));
    } catch (error) {
      if (error instanceof RangeError) throw invalid("it is cut short");
      throw error;
    }
  }

  /** The type with this number. @throws ObjectError btf_invalid when there is none. */
  type(id: number): BtfType {
    const record = this.records[id];
    if (!record) throw invalid(`no type ${id}`);
    return record.type;
  }

  string(offset: number): string {
    return readName(this.#strings, offset);
  }

  /** Numbers of all types that `test` accepts. */
  find(test: (type: BtfType) => boolean): number[] {
    return this.records.flatMap(({ type }, id) => (test(type) ? [id] : []));
  }

  /** Follows typedefs and qualifiers to the type that has a shape. */
  resolve(id: number): BtfType {
    let type = this.type(id);
    for (let depth = 0; isModifier(type); depth++) {
      if (depth > 32) throw invalid(`type ${id} refers to itself`);
      type = this.type(type.type);
    }
    return type;
  }

  /** Size of a value of this type, bytes. @throws ObjectError btf_invalid for types without one. */
  sizeOf(id: number): number {
    const type = this.resolve(id);
    switch (type.kind) {
      case "int":
      case "float":
      case "struct":
      case "union":
      case "enum":
      case "datasec":
        return type.size;
      case "ptr":
        return 8;
      case "array":
        return type.length * this.sizeOf(type.type);
      default:
        throw invalid(`type ${id} (${type.kind}) has no size`);
    }
  }
}

function invalid(why: string): ObjectError {
  return new ObjectError("btf_invalid", `BTF: ${why}`);
}

function isModifier(
  type: BtfType,
): type is Extract<BtfType, { kind: "typedef" | "volatile" | "const" | "restrict" | "type_tag" }> {
  return (
    type.kind === "typedef" ||
    type.kind === "volatile" ||
    type.kind === "const" ||
    type.kind === "restrict" ||
    type.kind === "type_tag"
  );
}

function readTypes(
  view: DataView,
  start: number,
  end: number,
  string: (offset: number) => string,
): BtfRecord[] {
  const records: BtfRecord[] = [{ type: { kind: "void" }, at: 0 }];
  for (let at = start; at < end;) {
    const { type, length } = readType(view, at, string);
    records.push({ type, at });
    at += length;
  }
  return records;
}

/** One struct btf_type (12 bytes: name, info, size or type) and what its kind puts after it. */
function readType(
  view: DataView,
  at: number,
  string: (offset: number) => string,
): { type: BtfType; length: number } {
  const name = string(view.getUint32(at, true));
  const info = view.getUint32(at + 4, true);
  const size = view.getUint32(at + 8, true);
  const count = info & 0xffff;
  const flag = info >>> 31 === 1;
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const each = <T>(width: number, read: (offset: number) => T): T[] =>
    Array.from({ length: count }, (_, index) => read(12 + index * width));
  switch ((info >>> 24) & 31) {
    case 1: {
      const encoding = (u32(12) >>> 24) & 15;
      return {
        length: 16,
        type: { kind: "int", name, size, signed: (encoding & 1) !== 0, bool: (encoding & 4) !== 0 },
      };
    }
    case 2:
      return { length: 12, type: { kind: "ptr", type: size } };
    case 3:
      return { length: 24, type: { kind: "array", type: u32(12), length: u32(20) } };
    case 4:
    case 5: {
      const members = each(12, (offset) => ({
        name: string(u32(offset)),
        type: u32(offset + 4),
        bitOffset: flag ? u32(offset + 8) & 0xffffff : u32(offset + 8),
        bitSize: flag ? u32(offset + 8) >>> 24 : 0,
      }));
      const kind = ((info >>> 24) & 31) === 4 ? "struct" : "union";
      return { length: 12 + count * 12, type: { kind, name, size, members } };
    }
    case 6: {
      const values = each(8, (offset) => ({
        name: string(u32(offset)),
        value: BigInt(flag ? view.getInt32(at + offset + 4, true) : u32(offset + 4)),
      }));
      return { length: 12 + count * 8, type: { kind: "enum", name, size, values } };
    }
    case 7:
      return { length: 12, type: { kind: "fwd", name } };
    case 8:
      return { length: 12, type: { kind: "typedef", name, type: size } };
    case 9:
      return { length: 12, type: { kind: "volatile", name, type: size } };
    case 10:
      return { length: 12, type: { kind: "const", name, type: size } };
    case 11:
      return { length: 12, type: { kind: "restrict", name, type: size } };
    case 12:
      return { length: 12, type: { kind: "func", name, type: size, linkage: count } };
    case 13:
      return { length: 12 + count * 8, type: { kind: "func_proto", type: size } };
    case 14:
      return { length: 16, type: { kind: "var", name, type: size, linkage: u32(12) } };
    case 15: {
      const variables = each(12, (offset) => ({
        type: u32(offset),
        offset: u32(offset + 4),
        size: u32(offset + 8),
      }));
      return { length: 12 + count * 12, type: { kind: "datasec", name, size, variables } };
    }
    case 16:
      return { length: 12, type: { kind: "float", name, size } };
    case 17:
      return { length: 16, type: { kind: "decl_tag", name, type: size } };
    case 18:
      return { length: 12, type: { kind: "type_tag", name, type: size } };
    case 19: {
      const values = each(12, (offset) => {
        const bits = BigInt(u32(offset + 4)) | (BigInt(u32(offset + 8)) << 32n);
        return { name: string(u32(offset)), value: flag ? BigInt.asIntN(64, bits) : bits };
      });
      return { length: 12 + count * 12, type: { kind: "enum", name, size, values } };
    }
    default:
      throw invalid(`unknown kind ${(info >>> 24) & 31}`);
  }
}
