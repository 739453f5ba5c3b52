// An OpenAPI v2 document as gnostic's protobuf message OpenAPIv2.Document, for clients that read nothing else.
// Field numbers: github.com/google/gnostic, openapiv2/OpenAPIv2.proto. Only what our documents hold is written.
import { isRecord } from "../objects/json.ts";

type Fields = Readonly<Record<string, unknown>>;

/** @param document OpenAPI 2.0 in JSON */
export function toGnostic(document: object): Uint8Array {
  const { swagger, info, paths, definitions } = document as Fields;
  return message([
    [1, text(swagger)],
    [2, message(strings(info, { title: 1, version: 2 }))],
    [8, message(named(paths, 2, pathItem))],
    [9, message(named(definitions, 1, schemaMessage))],
  ]);
}

/** A field number and its value, wire type 2 for bytes, 0 or 1 for numbers that say so. */
type Field = readonly [number: number, value: Uint8Array | Scalar];
type Scalar = { readonly varint: bigint } | { readonly double: number };

function message(fields: readonly Field[]): Uint8Array {
  return Buffer.concat(fields.flatMap(([number, value]) => encode(number, value)));
}

function encode(number: number, value: Uint8Array | Scalar): Uint8Array[] {
  const tag = (wireType: number) => varint(BigInt((number << 3) | wireType));
  if (value instanceof Uint8Array) return [tag(2), varint(BigInt(value.length)), value];
  if ("varint" in value) return [tag(0), varint(BigInt.asUintN(64, value.varint))];
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value.double);
  return [tag(1), bytes];
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

function text(value: unknown): Uint8Array {
  return Buffer.from(typeof value === "string" ? value : "");
}

/** Text fields that are there, by their numbers. */
function strings(value: unknown, numbers: Readonly<Record<string, number>>): Field[] {
  const fields = isRecord(value) ? value : {};
  return Object.entries(numbers)
    .filter(([name]) => typeof fields[name] === "string")
    .map(([name, number]) => [number, text(fields[name])]);
}

/** A map as gnostic has it: repeated (name, value). */
function named(value: unknown, number: number, inner: (value: Fields) => Uint8Array): Field[] {
  return Object.entries(isRecord(value) ? value : {}).map(([name, part]) => [
    number,
    message([
      [1, text(name)],
      [2, inner(part as Fields)],
    ]),
  ]);
}

/** Any: a value as YAML, of which JSON is a part. */
const any = (value: unknown): Uint8Array => message([[2, text(JSON.stringify(value))]]);

/** Keys that start with "x-". */
function extensions(value: Fields, number: number): Field[] {
  return Object.entries(value)
    .filter(([name]) => name.startsWith("x-"))
    .map(([name, part]) => [
      number,
      message([
        [1, text(name)],
        [2, any(part)],
      ]),
    ]);
}

const operationNumbers = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathItem(item: Fields): Uint8Array {
  return message(
    Object.entries(operationNumbers)
      .filter(([method]) => isRecord(item[method]))
      .map(([method, number]) => [number, operation(item[method] as Fields)]),
  );
}

function operation(value: Fields): Uint8Array {
  const parameters = (value["parameters"] as Fields[]).map((parameter): Field => {
    const query = message([
      ...strings(parameter, { in: 2, name: 4, type: 6 }),
      [20, { varint: parameter["uniqueItems"] === true ? 1n : 0n }],
    ]);
    // ParametersItem.parameter, Parameter.non_body_parameter, NonBodyParameter.query_parameter_sub_schema
    return [8, message([[1, message([[2, message([[3, query]])]])]])];
  });
  const response = (answer: Fields) => message([[1, message(strings(answer, { description: 1 }))]]);
  return message([
    ...strings(value, { operationId: 5 }),
    ...parameters,
    [9, message(named(value["responses"], 1, response))],
    ...extensions(value, 13),
  ]);
}

const schemaStrings = { $ref: 1, format: 2, title: 3, description: 4, pattern: 13 } as const;
const schemaDoubles = { multipleOf: 6, maximum: 7, minimum: 9 } as const;
const schemaBooleans = { exclusiveMaximum: 8, exclusiveMinimum: 10, uniqueItems: 16 } as const;
const schemaIntegers = {
  maxLength: 11,
  minLength: 12,
  maxItems: 14,
  minItems: 15,
  maxProperties: 17,
  minProperties: 18,
} as const;

function schemaMessage(schema: Fields): Uint8Array {
  const fields: Field[] = strings(schema, schemaStrings);
  for (const [name, number] of Object.entries(schemaDoubles)) {
    const value = schema[name];
    if (typeof value === "number") fields.push([number, { double: value }]);
  }
  for (const [name, number] of Object.entries(schemaBooleans))
    if (schema[name] === true) fields.push([number, { varint: 1n }]);
  for (const [name, number] of Object.entries(schemaIntegers)) {
    const value = schema[name];
    if (Number.isSafeInteger(value)) fields.push([number, { varint: BigInt(value as number) }]);
  }
  const { default: preset, required, enum: choices, type } = schema;
  if (preset !== undefined) fields.push([5, any(preset)]);
  if (Array.isArray(required)) fields.push(...required.map((name): Field => [19, text(name)]));
  if (Array.isArray(choices)) fields.push(...choices.map((choice): Field => [20, any(choice)]));
  if (typeof type === "string" && type !== "") fields.push([22, message([[1, text(type)]])]);
  return message([...fields, ...children(schema), ...extensions(schema, 31)]);
}

function children({ additionalProperties, items, allOf, properties }: Fields): Field[] {
  const fields: Field[] = [];
  if (isRecord(additionalProperties))
    fields.push([21, message([[1, schemaMessage(additionalProperties)]])]);
  else if (typeof additionalProperties === "boolean")
    fields.push([21, message([[2, { varint: additionalProperties ? 1n : 0n }]])]);
  if (isRecord(items)) fields.push([23, message([[1, schemaMessage(items)]])]);
  if (Array.isArray(allOf))
    fields.push(...allOf.map((part: Fields): Field => [24, schemaMessage(part)]));
  if (isRecord(properties)) fields.push([25, message(named(properties, 1, schemaMessage))]);
  return fields;
}
