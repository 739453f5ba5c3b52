// The object's BTF as the kernel accepts it. Clang leaves to the linker what nobody links: sizes of sections
// and offsets of variables. Hidden functions become static ones, which the verifier checks where they are
// called instead of on their own.
import type { Btf } from "./btf.ts";
import type { ElfFile } from "./elf.ts";
import { STT_FUNC, STV_HIDDEN } from "./elf.ts";
import { sectionVariables } from "./variables.ts";

const FUNC_STATIC = 0;
const KIND_MASK = 0x1f000000;

/** A corrected copy of `btf.raw`, for BPF_BTF_LOAD. */
export function kernelBtf(elf: ElfFile, btf: Btf): Uint8Array {
  const copy = btf.raw.slice();
  const view = new DataView(copy.buffer);
  for (const { type, at } of btf.records) {
    if (type.kind === "datasec") placeVariables(elf, btf, { view, at, name: type.name });
    if (type.kind === "func" && isHidden(elf, type.name))
      view.setUint32(at + 4, (view.getUint32(at + 4, true) & KIND_MASK) | FUNC_STATIC, true);
  }
  return copy;
}

function placeVariables(
  elf: ElfFile,
  btf: Btf,
  target: { view: DataView; at: number; name: string },
): void {
  const section = elf.section(target.name);
  if (!section) return;
  target.view.setUint32(target.at + 8, section.size, true);
  const variables = sectionVariables(elf, btf, section);
  variables.forEach((variable, index) => {
    const record = target.at + 12 + index * 12;
    target.view.setUint32(record, variable.variableId, true);
    target.view.setUint32(record + 4, variable.offset, true);
    target.view.setUint32(record + 8, btf.sizeOf(variable.typeId), true);
  });
}

function isHidden(elf: ElfFile, name: string): boolean {
  return elf.symbols.some(
    (symbol) =>
      symbol.name === name && symbol.type === STT_FUNC && symbol.visibility === STV_HIDDEN,
  );
}
