// Values to bytes, as a layout says. What a value does not have is written as the layout's default.
import type { Structure, Value } from "./decode.ts";
import type { LaidOut, Layout } from "./schema.ts";
import type { Writer } from "./writer.ts";

export function encode(writer: Writer, layout: Layout, structure: Structure): void {
  for (const field of layout.fields)
    encodeField(writer, layout.flexible, field, structure[field.name]);
  if (layout.flexible) writer.unsignedVarint(0);
}

function encodeField(
  writer: Writer,
  flexible: boolean,
  field: LaidOut,
  value: Value | undefined,
): void {
  if (field.kind === "optional") {
    writer.int8(value ? 1 : -1);
    if (value) encode(writer, field.inner as Layout, value as Structure);
    return;
  }
  if (!field.isList) return encodeScalar(writer, flexible, field, value);
  const values = (value ?? (field.isNullable ? null : [])) as readonly Value[] | null;
  writeLength(writer, flexible, { length: values?.length, wide: true });
  for (const element of values ?? []) {
    if (field.inner?.fields.length === 0) throw new TypeError(`${field.name} is not described`);
    if (field.kind === "structures") encode(writer, field.inner as Layout, element as Structure);
    else encodeScalar(writer, flexible, field, element);
  }
}

function encodeScalar(
  writer: Writer,
  flexible: boolean,
  field: LaidOut,
  value: Value | undefined,
): void {
  switch (field.kind) {
    case "bool":
      return writer.int8(value ? 1 : 0);
    case "int8":
      return writer.int8(Number(value ?? field.default));
    case "int16":
      return writer.int16(Number(value ?? field.default));
    case "int32":
      return writer.int32(Number(value ?? field.default));
    case "int64":
      return writer.int64(BigInt((value as bigint | number | undefined) ?? field.default));
    case "uuid":
    case "topicId":
      return writer.raw(Buffer.from((value as string | undefined) ?? "0".repeat(32), "hex"));
    case "string":
    case "topic":
    case "config":
    case "bytes": {
      const text = (value ?? (field.isNullable ? null : "")) as string | null;
      const bytes = text === null ? undefined : Buffer.from(text, "utf8");
      writeLength(writer, flexible, { length: bytes?.length, wide: field.kind === "bytes" });
      if (bytes) writer.raw(bytes);
      return;
    }
    case "optional":
    case "structures":
      throw new TypeError(`${field.name} is no scalar`);
  }
}

function writeLength(
  writer: Writer,
  flexible: boolean,
  { length = -1, wide }: { length: number | undefined; wide: boolean },
): void {
  if (flexible) writer.unsignedVarint(length + 1);
  else if (wide) writer.int32(length);
  else writer.int16(length);
}
