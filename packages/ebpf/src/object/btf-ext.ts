// .BTF.ext: which BTF type each function has and which source line each instruction came from. The kernel
// wants the first for global functions; the second makes the verifier's log readable.
import { ObjectError } from "../errors.ts";
import type { Btf } from "./btf.ts";

/** One record; `bytes` is the kernel's own layout, whose first u32 is the instruction's number. */
export type ExtRecord = {
  /** Instruction number within the section. */
  readonly instruction: number;
  readonly bytes: Uint8Array;
};

export type BtfExt = {
  /** struct bpf_func_info by section name: u32 instruction, u32 type. */
  readonly functions: ReadonlyMap<string, readonly ExtRecord[]>;
  /** struct bpf_line_info by section name: u32 instruction, file, line text, line and column. */
  readonly lines: ReadonlyMap<string, readonly ExtRecord[]>;
  /** Sections with CO-RE relocations. */
  readonly coreSections: readonly string[];
};

export const functionRecordSize = 8;
export const lineRecordSize = 16;

/** @throws ObjectError btf_invalid */
export function parseBtfExt(bytes: Uint8Array, btf: Btf): BtfExt {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const base = view.getUint32(4, true);
    const table = (headerOffset: number, size: number) =>
      readTable(bytes, btf, {
        start: base + view.getUint32(headerOffset, true),
        length: view.getUint32(headerOffset + 4, true),
        size,
      });
    return {
      functions: table(8, functionRecordSize),
      lines: table(16, lineRecordSize),
      coreSections: base >= 32 ? [...table(24, 16).keys()] : [],
    };
  } catch (error) {
    if (error instanceof RangeError) throw new ObjectError("btf_invalid", "BTF.ext is cut short");
    throw error;
  }
}

/** u32 record size, then per section: u32 section name, u32 count, records (offsets in bytes). */
function readTable(
  bytes: Uint8Array,
  btf: Btf,
  where: { start: number; length: number; size: number },
): Map<string, ExtRecord[]> {
  const found = new Map<string, ExtRecord[]>();
  if (where.length === 0) return found;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const recordSize = view.getUint32(where.start, true);
  if (recordSize < where.size)
    throw new ObjectError("btf_invalid", `BTF.ext records of ${recordSize} bytes`);
  const end = where.start + where.length;
  for (let at = where.start + 4; at < end;) {
    const section = btf.string(view.getUint32(at, true));
    const count = view.getUint32(at + 4, true);
    at += 8;
    const records = Array.from({ length: count }, (_, index) => {
      const offset = at + index * recordSize;
      return {
        instruction: view.getUint32(offset, true) / 8,
        bytes: bytes.slice(offset, offset + where.size),
      };
    });
    found.set(section, [...(found.get(section) ?? []), ...records]);
    at += count * recordSize;
  }
  return found;
}
