// apiextensions.k8s.io/v1 CustomResourceDefinition, and the Kind that an accepted definition becomes.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { dns1035Label, dnsLabel, dnsSubdomain } from "../objects/names.ts";
import { timestamp, type ApiObject, type Fields } from "../objects/object.ts";
import { ruleCauses } from "../schema/cel/compile-rules.ts";
import { customValidatorFor } from "../schema/custom-validator.ts";
import { schemaFault } from "../schema/validator.ts";
import { structuralCauses, type Schema } from "../schema/structural.ts";
import { printerColumn, type PrinterColumn } from "../table/printer-column.ts";
import { ageColumn, nameColumn } from "../table/columns.ts";
import { builtin, commonFields } from "./builtin.ts";
import {
  columnCauses,
  defaultCauses,
  selectableCauses,
  selectableReaders,
  type SelectableField,
} from "./definition-rules.ts";
import type { Kind, ScalePaths, Version } from "./kind.ts";
import { shape } from "./shape.ts";

type Names = {
  plural: string;
  singular?: string;
  kind: string;
  listKind?: string;
  shortNames?: string[];
  categories?: string[];
};
type CrdVersion = {
  name: string;
  served: boolean;
  storage: boolean;
  schema?: { openAPIV3Schema?: Schema };
  subresources?: { status?: object; scale?: ScalePaths };
  additionalPrinterColumns?: PrinterColumn[];
  selectableFields?: SelectableField[];
};
type Spec = Fields & { group: string; scope: string; names: Names; versions: CrdVersion[] };

const specOf = (crd: ApiObject) => crd["spec"] as Spec;

/** Held by a definition until the objects of its kind are gone. */
const crdFinalizer = "customresourcecleanup.apiextensions.k8s.io";

const names = shape.object({
  "plural!": shape.string(),
  singular: shape.string(),
  "kind!": shape.string({ pattern: "^[A-Z][A-Za-z0-9]*$" }),
  listKind: shape.string(),
  shortNames: shape.list(shape.string()),
  categories: shape.list(shape.string()),
});

const scale = shape.object({
  "specReplicasPath!": shape.string(),
  "statusReplicasPath!": shape.string(),
  labelSelectorPath: shape.string(),
});

export const customResourceDefinitions: Kind = builtin({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  shortNames: ["crd", "crds"],
  categories: ["api-extensions"],
  clusterWide: true,
  subresources: ["status"],
  schema: shape.object({
    "spec!": shape.object({
      "group!": shape.string({ minLength: 1 }),
      "scope!": shape.oneOf(["Namespaced", "Cluster"]),
      "names!": names,
      "versions!": shape.list(
        shape.object({
          "name!": shape.string({ minLength: 1 }),
          "served!": shape.boolean(),
          "storage!": shape.boolean(),
          schema: shape.object({ openAPIV3Schema: shape.anyObject }),
          subresources: shape.object({ status: shape.anyObject, scale }),
          additionalPrinterColumns: shape.list(
            shape.object({
              "name!": shape.string(),
              "type!": shape.oneOf(["string", "integer", "number", "boolean", "date"]),
              "jsonPath!": shape.string(),
              priority: shape.integer(0, 2 ** 31 - 1),
            }),
          ),
          selectableFields: shape.list(shape.object({ "jsonPath!": shape.string() })),
        }),
        { minItems: 1 },
      ),
      conversion: shape.object(
        { strategy: shape.oneOf(["None"], { default: "None" }) },
        { default: { strategy: "None" } },
      ),
      preserveUnknownFields: shape.boolean(),
    }),
    status: shape.anyObject,
  }),
  columns: [{ name: "Created At", type: "date", value: (crd) => crd.metadata.creationTimestamp }],
  strategy: {
    prepare(crd, before) {
      const { names: named, versions } = specOf(crd);
      named.singular ??= String(named.kind).toLowerCase();
      named.listKind ??= `${named.kind}List`;
      if (!before)
        crd.metadata.finalizers = [...new Set([...(crd.metadata.finalizers ?? []), crdFinalizer])];
      crd["status"] = acceptedStatus(crd, before, versions);
    },
    validate,
  },
});

/** A definition is accepted and established by the write that creates it: its kind is served at once. */
function acceptedStatus(
  crd: ApiObject,
  before: ApiObject | undefined,
  versions: CrdVersion[],
): object {
  const old = isRecord(before?.["status"]) ? before["status"] : {};
  const now = timestamp();
  const storage = versions.filter((version) => version.storage).map((version) => version.name);
  const stored = new Set([...((old["storedVersions"] as string[] | undefined) ?? []), ...storage]);
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: "True",
    lastTransitionTime: now,
    reason,
    message,
  });
  return {
    conditions: old["conditions"] ?? [
      condition("NamesAccepted", "NoConflicts", "no conflicts found"),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ],
    acceptedNames: specOf(crd).names,
    storedVersions: [...stored],
  };
}

function validate(crd: ApiObject, before: ApiObject | undefined): Cause[] {
  const spec = specOf(crd);
  const causes: Cause[] = [];
  const expected = `${spec.names.plural}.${spec.group}`;
  if (crd.metadata.name !== expected) {
    causes.push(
      field.invalid("metadata.name", crd.metadata.name, `must be spec.names.plural+"."+spec.group`),
    );
  }
  for (const [path, value, rule] of [
    ["spec.group", spec.group, dnsSubdomain],
    ["spec.names.plural", spec.names.plural, dns1035Label],
    ["spec.names.singular", spec.names.singular ?? "", dns1035Label],
  ] as const) {
    const fault = rule(value);
    if (fault) causes.push(field.invalid(path, value, fault));
  }
  if (!spec.group.includes(".")) {
    causes.push(
      field.invalid("spec.group", spec.group, "should be a domain with at least one dot"),
    );
  }
  const protectedGroup = /(^|\.)(k8s|kubernetes)\.io$/.test(spec.group);
  if (protectedGroup && !crd.metadata.annotations?.["api-approved.kubernetes.io"]) {
    causes.push(
      field.required(
        "metadata.annotations[api-approved.kubernetes.io]",
        "protected groups need approval",
      ),
    );
  }
  if (spec["preserveUnknownFields"] === true) {
    causes.push(field.invalid("spec.preserveUnknownFields", true, "must be false"));
  }
  if (spec.versions.filter((version) => version.storage).length !== 1) {
    causes.push(
      field.invalid(
        "spec.versions",
        undefined,
        "must have exactly one version marked as storage version",
      ),
    );
  }
  const seen = new Set<string>();
  spec.versions.forEach((version, index) => {
    const at = `spec.versions[${index}]`;
    const fault = dnsLabel(version.name);
    if (fault) causes.push(field.invalid(`${at}.name`, version.name, fault));
    if (seen.has(version.name)) causes.push(field.duplicate(`${at}.name`, version.name));
    seen.add(version.name);
    causes.push(...schemaCauses(version, at), ...scaleCauses(version.subresources?.scale, at));
  });
  if (before) causes.push(...changeCauses(spec, specOf(before)));
  return causes;
}

function scaleCauses(paths: ScalePaths | undefined, at: string): Cause[] {
  if (!paths) return [];
  return (["specReplicasPath", "statusReplicasPath", "labelSelectorPath"] as const).flatMap(
    (name) => {
      const path = paths[name];
      const roots = scaleRoots[name];
      if (path === undefined || (name === "labelSelectorPath" && path === "")) return [];
      if (roots.some((root) => path.startsWith(`${root}.`)) && !path.includes("[")) return [];
      const why = `should be a json path under ${roots.join(" or ")}`;
      return [field.invalid(`${at}.subresources.scale.${name}`, path, why)];
    },
  );
}

const scaleRoots = {
  specReplicasPath: [".spec"],
  statusReplicasPath: [".status"],
  labelSelectorPath: [".status", ".spec"],
} as const;

function schemaCauses(version: CrdVersion, at: string): Cause[] {
  const path = `${at}.schema.openAPIV3Schema`;
  const schema = version.schema?.openAPIV3Schema;
  if (schema === undefined) return [field.required(path, "schemas are required")];
  const causes = structuralCauses(schema, path);
  if (causes.length > 0) return causes;
  const fault = schemaFault(schema);
  if (fault !== undefined) return [field.invalid(path, undefined, fault)];
  return [
    ...defaultCauses(schema, path),
    ...ruleCauses(schema, path),
    ...columnCauses(version.additionalPrinterColumns, at),
    ...selectableCauses(version.selectableFields, schema, at),
  ];
}

function changeCauses(now: Spec, old: Spec): Cause[] {
  const pairs: readonly (readonly [string, unknown, unknown])[] = [
    ["spec.group", now.group, old.group],
    ["spec.scope", now.scope, old.scope],
    ["spec.names.plural", now.names.plural, old.names.plural],
    ["spec.names.kind", now.names.kind, old.names.kind],
  ];
  return pairs
    .filter(([, value, before]) => value !== before)
    .map(([path, value]) => field.invalid(path, value, "field is immutable"));
}

/** The kind that a stored (hence valid) definition stands for. */
export function kindFromDefinition(crd: ApiObject): Kind {
  const spec = specOf(crd);
  const storage = spec.versions.find((version) => version.storage) as CrdVersion;
  return {
    group: spec.group,
    plural: spec.names.plural,
    singular: spec.names.singular ?? spec.names.kind.toLowerCase(),
    kind: spec.names.kind,
    listKind: spec.names.listKind ?? `${spec.names.kind}List`,
    shortNames: spec.names.shortNames ?? [],
    categories: spec.names.categories ?? [],
    namespaced: spec.scope === "Namespaced",
    versions: spec.versions.filter((version) => version.served).map(toVersion),
    storageVersion: storage.name,
    subresources: new Set([
      ...(storage.subresources?.status ? (["status"] as const) : []),
      ...(storage.subresources?.scale ? (["scale"] as const) : []),
    ]),
    scale: storage.subresources?.scale,
    nameRule: dnsSubdomain,
    selectableFields: { ...commonFields, ...selectableReaders(storage.selectableFields) },
    strategy: {},
    terminating: crd.metadata.deletionTimestamp !== undefined,
  };
}

function toVersion(version: CrdVersion): Version {
  const schema = version.schema?.openAPIV3Schema ?? {};
  const columns = version.additionalPrinterColumns ?? [];
  return {
    name: version.name,
    schema,
    validate: customValidatorFor(schema),
    prune: true,
    columns: [nameColumn, ...(columns.length > 0 ? columns.map(printerColumn) : [ageColumn])],
  };
}
