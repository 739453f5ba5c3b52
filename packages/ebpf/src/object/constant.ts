// The bytes of a constant, checked against its BTF type.
import { ObjectError } from "../errors.ts";
import type { Btf, BtfType } from "./btf.ts";
import type { VariableSpec } from "./model.ts";

/** @throws ObjectError constant_size when the value does not fit the variable. */
export function encodeConstant(
  btf: Btf,
  variable: VariableSpec,
  value: number | bigint | boolean | Uint8Array,
): Uint8Array {
  if (value instanceof Uint8Array) {
    if (value.length !== variable.size)
      throw wrongSize(variable, `takes ${variable.size} bytes, not ${value.length}`);
    return value;
  }
  const type = btf.resolve(variable.typeId);
  if (type.kind !== "int" && type.kind !== "enum")
    throw wrongSize(variable, `is a ${type.kind} of ${variable.size} bytes: give it bytes`);
  return encodeInteger(variable, BigInt(value), {
    signed: isSigned(type),
    bigEndian: isBigEndian(btf, variable.typeId),
  });
}

/** Whether a type goes by one of the kernel's names for network byte order: __be16, __be32, __be64. */
export function isBigEndian(btf: Btf, typeId: number): boolean {
  for (let type = btf.type(typeId); ; type = btf.type(type.type)) {
    switch (type.kind) {
      case "typedef":
        if (/^__be(16|32|64)$/.test(type.name)) return true;
        continue;
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        continue;
      default:
        return false;
    }
  }
}

function isSigned(type: Extract<BtfType, { kind: "int" | "enum" }>): boolean {
  return type.kind === "int" ? type.signed : type.values.some(({ value }) => value < 0n);
}

function encodeInteger(
  variable: VariableSpec,
  value: bigint,
  form: { signed: boolean; bigEndian: boolean },
): Uint8Array {
  const bits = BigInt(variable.size * 8);
  const lowest = form.signed ? -(1n << (bits - 1n)) : 0n;
  const highest = form.signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n;
  if (value < lowest || value > highest)
    throw wrongSize(variable, `holds ${lowest} to ${highest}, not ${value}`);
  const bytes = new Uint8Array(variable.size);
  for (let index = 0; index < bytes.length; index++) {
    const position = form.bigEndian ? bytes.length - 1 - index : index;
    bytes[position] = Number((value >> BigInt(index * 8)) & 0xffn);
  }
  return bytes;
}

function wrongSize(variable: VariableSpec, why: string): ObjectError {
  return new ObjectError("constant_size", `constant ${variable.name} ${why}`);
}
