// A few words to write the schemas of built-in kinds with.
import type { Schema } from "../schema/structural.ts";

type Options = { readonly [keyword: string]: unknown };

export const shape = {
  /** Names that end in "!" are required. */
  object(properties: Readonly<Record<string, Schema>>, options: Options = {}): Schema {
    const names = Object.keys(properties);
    const required = names.filter((name) => name.endsWith("!")).map((name) => name.slice(0, -1));
    return {
      type: "object",
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, schema]) => [name.replace(/!$/, ""), schema]),
      ),
      ...(required.length > 0 ? { required } : {}),
      ...options,
    };
  },
  list: (items: Schema, options: Options = {}): Schema => ({ type: "array", items, ...options }),
  map: (values: Schema): Schema => ({ type: "object", additionalProperties: values }),
  string: (options: Options = {}): Schema => ({ type: "string", ...options }),
  oneOf: (values: readonly string[], options: Options = {}): Schema => ({
    type: "string",
    enum: values,
    ...options,
  }),
  integer: (minimum: number, maximum: number, options: Options = {}): Schema => ({
    type: "integer",
    minimum,
    maximum,
    ...options,
  }),
  boolean: (options: Options = {}): Schema => ({ type: "boolean", ...options }),
  intOrString: { "x-kubernetes-int-or-string": true } as Schema,
  any: { "x-kubernetes-preserve-unknown-fields": true } as Schema,
  anyObject: { type: "object", "x-kubernetes-preserve-unknown-fields": true } as Schema,
} as const;

export const port = shape.integer(1, 65535);
export const seconds = shape.integer(0, 2 ** 31 - 1);
export const protocol = shape.oneOf(["TCP", "UDP", "SCTP"], { default: "TCP" });
export const stringMap = shape.map(shape.string());

export const labelSelector = shape.object({
  matchLabels: stringMap,
  matchExpressions: shape.list(
    shape.object({
      "key!": shape.string({ minLength: 1 }),
      "operator!": shape.oneOf(["In", "NotIn", "Exists", "DoesNotExist"]),
      values: shape.list(shape.string()),
    }),
  ),
});

export const conditions = shape.list(
  shape.object({
    "type!": shape.string({ minLength: 1 }),
    "status!": shape.oneOf(["True", "False", "Unknown"]),
    reason: shape.string(),
    message: shape.string(),
    lastTransitionTime: shape.string({ format: "date-time" }),
  }),
);
