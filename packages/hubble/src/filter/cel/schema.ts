// What expressions may speak of: `_flow` and the enums of package flow, with their types from the generated
// descriptors, declared to the type checker.
import { type DescEnum, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { Environment } from "@marcbachmann/cel-js";
import { file_flow_flow, FlowSchema } from "../../gen/flow/flow_pb.ts";
import { CelTime, type CelValue } from "./value.ts";
import { viewOf } from "./views.ts";

/** Cilium's limit of an expression is in characters, which the caller checks; these hold the parser's depth. */
const limits = { maxAstNodes: 4_096, maxDepth: 100, maxListElements: 2_000, maxMapEntries: 1_000 };

/** A field: how to read it, and whether it is set (has()). `object` undefined: the message is not set. */
export type FieldAccess = {
  get(object: object | undefined): CelValue;
  isSet(object: object | undefined): boolean;
};

export type Schema = {
  readonly environment: Environment;
  /** Message -> field -> access. */
  readonly messages: ReadonlyMap<string, ReadonlyMap<string, FieldAccess>>;
  /** Message -> field -> the checker's name of its type. */
  readonly types: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Enum ("Verdict") -> value -> number. */
  readonly enums: ReadonlyMap<string, ReadonlyMap<string, bigint>>;
};

/** Built once: descriptors do not change. */
export function flowSchema(): Schema {
  const environment = new Environment({ limits });
  const messages = new Map<string, ReadonlyMap<string, FieldAccess>>();
  const types = new Map<string, ReadonlyMap<string, string>>();
  declareMessage({ environment, messages, types }, FlowSchema);
  // Of CEL's standard conversions the library lacks these two. Declared for the checker: evaluation is functions.ts'.
  for (const type of ["uint", "google.protobuf.Timestamp"])
    environment.registerFunction(`int(${type}): int`, () => 0n);
  const enums = new Map(file_flow_flow.enums.map((desc) => [desc.name, valuesOf(desc)]));
  environment.registerVariable("_flow", FlowSchema.typeName);
  for (const name of enums.keys()) environment.registerVariable(name, "map<string, int>");
  environment.registerVariable("flow", "map<string, map<string, int>>");
  return { environment, messages, types, enums };
}

function valuesOf(desc: DescEnum): ReadonlyMap<string, bigint> {
  return new Map(desc.values.map(({ name, number }) => [name, BigInt(number)]));
}

type Declared = {
  readonly environment: Environment;
  readonly messages: Map<string, ReadonlyMap<string, FieldAccess>>;
  readonly types: Map<string, ReadonlyMap<string, string>>;
};

/** Those it refers to first: the checker wants to know them. */
function declareMessage(declared: Declared, desc: DescMessage): void {
  const { environment, messages, types } = declared;
  if (messages.has(desc.typeName)) return;
  const accesses = new Map<string, FieldAccess>();
  messages.set(desc.typeName, accesses);
  const fields = new Map<string, string>();
  types.set(desc.typeName, fields);
  for (const field of desc.fields) {
    if (field.message && !isWellKnown(field.message)) declareMessage(declared, field.message);
    const type = typeOf(field);
    if (type === undefined) continue;
    fields.set(field.name, type);
    accesses.set(field.name, accessTo(desc, field));
  }
  // The checker identifies a type by a class; values of it never reach the library.
  environment.registerType(desc.typeName, {
    ctor: class {},
    fields: Object.fromEntries(fields),
  });
}

const isWellKnown = (desc: DescMessage) => desc.typeName.startsWith("google.protobuf.");

/** undefined: no expression can use it (Any). */
function typeOf(field: DescField): string | undefined {
  if (field.fieldKind === "map") return undefined;
  const single = singleTypeOf(field);
  if (single === undefined || field.fieldKind !== "list") return single;
  return `list<${single}>`;
}

function singleTypeOf({ scalar, enum: enumDesc, message }: DescField): string | undefined {
  if (enumDesc) return "int";
  if (message) return messageTypeOf(message);
  switch (scalar) {
    case ScalarType.STRING:
      return "string";
    case ScalarType.BOOL:
      return "bool";
    case ScalarType.UINT32:
    case ScalarType.UINT64:
    case ScalarType.FIXED32:
    case ScalarType.FIXED64:
      return "uint";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return "double";
    case ScalarType.BYTES:
    case undefined:
      return undefined;
    default:
      return "int";
  }
}

function messageTypeOf({ typeName }: DescMessage): string | undefined {
  switch (typeName) {
    case "google.protobuf.Timestamp":
      return typeName;
    // Null or the value that it wraps.
    case "google.protobuf.BoolValue":
      return "dyn";
    default:
      return typeName.startsWith("google.protobuf.") ? undefined : typeName;
  }
}

function accessTo(desc: DescMessage, field: DescField): FieldAccess {
  const view = viewOf(desc.typeName, field.name) ?? (() => undefined);
  const read = (object: object | undefined) => (object === undefined ? undefined : view(object));
  if (field.fieldKind === "list") return accessToList(field, read);
  if (field.message?.typeName === "google.protobuf.Timestamp") {
    return {
      get: (object) => new CelTime((read(object) as bigint | undefined) ?? 0n),
      isSet: (object) => read(object) !== undefined,
    };
  }
  if (field.message) {
    const isWrapper = isWellKnown(field.message);
    return {
      get: (object) => (read(object) as CelValue) ?? (isWrapper ? null : undefined),
      isSet: (object) => read(object) !== undefined,
    };
  }
  const empty = emptyOf(field);
  const get = (object: object | undefined) => celScalar(read(object) ?? empty, empty);
  return { get, isSet: (object) => get(object) !== empty };
}

/** Lists of the model hold strings and messages alone. */
function accessToList(
  field: DescField,
  read: (object: object | undefined) => unknown,
): FieldAccess {
  if (field.scalar !== ScalarType.STRING && !field.message)
    return { get: () => [], isSet: () => false };
  const get = (object: object | undefined) =>
    (read(object) as readonly CelValue[] | undefined) ?? [];
  return { get, isSet: (object) => get(object).length > 0 };
}

function emptyOf(field: DescField): string | boolean | number | bigint {
  const type = typeOf(field);
  if (type === "string") return "";
  if (type === "bool") return false;
  return type === "double" ? 0 : 0n;
}

function celScalar(value: unknown, empty: CelValue): CelValue {
  if (typeof empty !== "bigint") return value as CelValue;
  return typeof value === "number" ? BigInt(Math.trunc(value)) : (value as bigint);
}
