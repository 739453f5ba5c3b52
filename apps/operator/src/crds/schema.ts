// A few words for writing structural schemas (apiextensions.k8s.io/v1) that read like the objects they describe.
import type { CustomResourceDefinition, JsonSchema } from "@tsilium/kube";

export const text: JsonSchema = { type: "string" };
export const flag: JsonSchema = { type: "boolean" };
export const whole: JsonSchema = { type: "integer", format: "int64" };

/** An object with these fields; those whose name ends in "!" are required. */
export function object(fields: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const required = Object.keys(fields)
    .filter((name) => name.endsWith("!"))
    .map((name) => name.slice(0, -1));
  const properties = Object.fromEntries(
    Object.entries(fields).map(([name, schema]) => [name.replace(/!$/, ""), schema]),
  );
  return { type: "object", properties, ...(required.length > 0 ? { required } : {}) };
}

/**
 * An object whose unknown fields the API server keeps instead of dropping them, so that whoever judges it sees what was
 * written: of a policy, a mistyped field that vanished would leave a wider rule than was meant
 * (docs/policy-validation.md).
 */
export function kept(
  fields: Readonly<Record<string, JsonSchema>>,
  more: JsonSchema = {},
): JsonSchema {
  return { ...object(fields), "x-kubernetes-preserve-unknown-fields": true, ...more };
}

/** @param more minItems, maxItems */
export function list(items: JsonSchema, more: JsonSchema = {}): JsonSchema {
  return { type: "array", items, ...more };
}

export function choice(...values: readonly string[]): JsonSchema {
  return { type: "string", enum: values };
}

export function wholeBetween(minimum: number, maximum: number): JsonSchema {
  return { type: "integer", format: "int32", minimum, maximum };
}

/** Constraints for an object that has exactly one of these fields. */
export function exactlyOne(...fields: readonly string[]): JsonSchema {
  return { oneOf: fields.map((field) => ({ required: [field] })) };
}

/** Constraints for an object that has at least one of these fields. */
export function anyOne(...fields: readonly string[]): JsonSchema {
  return { anyOf: fields.map((field) => ({ required: [field] })) };
}

/** An object whose field names are data. */
export function record(values: JsonSchema): JsonSchema {
  return { type: "object", additionalProperties: values };
}

/** metav1.Conditions. */
export const metaConditions: JsonSchema = {
  ...list(
    object({
      "type!": text,
      "status!": choice("True", "False", "Unknown"),
      "reason!": text,
      "message!": text,
      observedGeneration: whole,
      "lastTransitionTime!": { ...text, format: "date-time" },
    }),
  ),
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["type"],
};

export function described(description: string, schema: JsonSchema): JsonSchema {
  return { ...schema, description };
}

export type PrinterColumn = NonNullable<
  CustomResourceDefinition["spec"]["versions"][number]["additionalPrinterColumns"]
>[number];

export const ageColumn: PrinterColumn = {
  name: "Age",
  type: "date",
  jsonPath: ".metadata.creationTimestamp",
};

export type DefinitionOptions = {
  readonly kind: string;
  /** Absent: cilium.io/v2. */
  readonly group?: string;
  readonly version?: string;
  /** Further names of the version, under which objects are still written. */
  readonly olderVersions?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** Beside "cilium". */
  readonly categories?: readonly string[];
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly scope: "Namespaced" | "Cluster";
  readonly columns: readonly PrinterColumn[];
  /** Whether status is a subresource, written apart from the rest. */
  readonly statusSubresource: boolean;
  readonly schema: JsonSchema;
};

/** Version of our schemas: an operator replaces definitions of older ones and leaves newer ones alone. */
export const schemaVersion = "1.1.0";
export const schemaVersionLabel = "io.cilium.k8s.crd.schema.version";

/** A definition, unless it says otherwise in group cilium.io, version v2. */
export function define(options: DefinitionOptions): CustomResourceDefinition {
  const { kind, plural, shortNames, scope, columns, statusSubresource, schema } = options;
  const { group = "cilium.io", version = "v2", annotations, categories = [] } = options;
  const { olderVersions = [] } = options;
  const versionNamed = (name: string) => ({
    name,
    served: true,
    storage: name === version,
    schema: { openAPIV3Schema: schema },
    subresources: statusSubresource ? { status: {} } : {},
    additionalPrinterColumns: columns,
  });
  return {
    metadata: {
      name: `${plural}.${group}`,
      labels: { [schemaVersionLabel]: schemaVersion },
      ...(annotations ? { annotations } : {}),
    },
    spec: {
      group,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ["cilium", ...categories],
      },
      versions: [
        versionNamed(version),
        ...olderVersions.map((name) => ({ ...versionNamed(name), deprecated: true })),
      ],
    },
  };
}
