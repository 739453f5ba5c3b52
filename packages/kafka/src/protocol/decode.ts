// Bytes to values, as a layout says. Nothing is taken on trust: a message that ends early, goes on too long, or has a
// tagged field that the layout does not know is malformed. Brokers read a tagged field that they know by its type and
// ignore the length in front of it, so that one we only skipped could make them see other topics than we do.
import { MalformedError } from "./error.ts";
import type { Reader } from "./reader.ts";
import type { LaidOut, Layout } from "./schema.ts";

export type Value = null | boolean | number | bigint | string | Structure | readonly Value[];
export type Structure = { [name: string]: Value };

/** Is told what the message names, in order. */
export type Names = {
  topic(name: string): void;
  topicId(id: string): void;
  /** `left`: how many structures of the array are still to come after the one that now begins. */
  structure(left: number): void;
  /** Of responses. */
  errorCode(code: number): void;
};

/** What a resource's `type` says when it is a topic (DescribeConfigs and its like). */
const topicResource = 2;

export type Source = {
  readonly reader: Reader;
  readonly names: Names;
  /** "any": tagged fields that are not known are skipped. For answers, whose readers we are not to protect. */
  readonly tags: "known" | "any";
};

/**
 * Reads into `structure`, which holds what was read before an error, too.
 * @throws MalformedError, TruncatedError
 */
export function decode(source: Source, layout: Layout, structure: Structure = {}): Structure {
  for (const field of layout.fields) {
    const value = decodeField(source, layout.flexible, field);
    structure[field.name] = value;
    if (field.name === "errorCode") source.names.errorCode(value as number);
    if (field.kind === "config" && structure["type"] === topicResource)
      source.names.topic(value as string);
  }
  if (layout.flexible) decodeTagged(source, layout, structure);
  return structure;
}

function decodeTagged(source: Source, layout: Layout, structure: Structure): void {
  const { reader } = source;
  for (let left = reader.unsignedVarint(); left > 0; left--) {
    const field = layout.tagged.get(reader.unsignedVarint());
    const length = reader.unsignedVarint();
    if (!field && source.tags === "known")
      throw new MalformedError("a tagged field that is not known");
    if (!field) {
      reader.skip(length);
      continue;
    }
    const end = reader.at + length;
    structure[field.name] = decodeField(source, true, field);
    if (reader.at !== end)
      throw new MalformedError("a tagged field of another length than it says");
  }
}

/** Skips the tagged fields of a request's header: nothing but their length is known of them. @throws MalformedError for any */
export function expectNoTags(reader: Reader): void {
  if (reader.unsignedVarint() !== 0) throw new MalformedError("a tagged field that is not known");
}

function decodeField(source: Source, flexible: boolean, field: LaidOut): Value {
  const { reader, names } = source;
  if (field.kind === "optional") {
    const isThere = reader.int8() >= 0;
    return isThere ? decode(source, described(field)) : null;
  }
  if (!field.isList) return decodeScalar(source, flexible, field);
  const count = lengthOf(reader, flexible, { field, wide: true });
  if (count === undefined) return null;
  reader.elements(count);
  const values: Value[] = [];
  for (let index = 0; index < count; index++) {
    if (field.kind !== "structures") {
      values.push(decodeScalar(source, flexible, field));
      continue;
    }
    names.structure(count - 1 - index);
    values.push(decode(source, described(field)));
  }
  return values;
}

/** Responses' lists whose contents nobody asks for are not described: what follows one cannot be read. */
function described({ inner }: LaidOut): Layout {
  if (!inner || inner.fields.length === 0)
    throw new MalformedError("contents that are not described");
  return inner;
}

function decodeScalar({ reader, names }: Source, flexible: boolean, field: LaidOut): Value {
  switch (field.kind) {
    case "bool":
      return reader.int8() !== 0;
    case "int8":
      return reader.int8();
    case "int16":
      return reader.int16();
    case "int32":
      return reader.int32();
    case "int64":
      return reader.int64();
    case "uuid":
      return reader.uuid();
    case "topicId": {
      const id = reader.uuid();
      names.topicId(id);
      return id;
    }
    case "topic": {
      const name = decodeString(reader, flexible, field);
      if (name !== null) names.topic(name);
      return name;
    }
    case "string":
    case "config":
      return decodeString(reader, flexible, field);
    case "bytes": {
      const length = lengthOf(reader, flexible, { field, wide: true });
      if (length !== undefined) reader.skip(length);
      // Contents are nobody's business here, and may be large.
      return null;
    }
    case "optional":
    case "structures":
      throw new TypeError(`${field.name} is no scalar`);
  }
}

function decodeString(reader: Reader, flexible: boolean, field: LaidOut): string | null {
  const length = lengthOf(reader, flexible, { field, wide: false });
  return length === undefined ? null : reader.text(length);
}

/** undefined: null. `wide`: of arrays and bytes, whose length takes four bytes where strings have two. */
function lengthOf(
  reader: Reader,
  flexible: boolean,
  { field, wide }: { field: LaidOut; wide: boolean },
): number | undefined {
  const length = flexible ? reader.unsignedVarint() - 1 : wide ? reader.int32() : reader.int16();
  if (length >= 0) return length;
  // In a list, it is the list that may be null, not what is in it.
  const isNullable = field.isNullable && (wide || !field.isList);
  if (length < -1 || !isNullable) throw new MalformedError("a length below zero");
  return undefined;
}
