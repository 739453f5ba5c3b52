// From a short description of a built-in kind to a Kind.
import { isRecord } from "../objects/json.ts";
import { dnsSubdomain, type NameRule } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Schema } from "../schema/structural.ts";
import { validatorFor } from "../schema/validator.ts";
import { ageColumn, nameColumn } from "../table/columns.ts";
import type { Column, Kind, ScalePaths, Strategy, Subresource } from "./kind.ts";

export type BuiltinDescription = {
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly clusterWide?: true;
  readonly schema: Schema;
  readonly subresources?: readonly Subresource[];
  readonly nameRule?: NameRule;
  /** Paths like "spec.nodeName"; each is selectable by its own name. */
  readonly selectable?: readonly string[];
  /** After the name. */
  readonly columns?: readonly Column[];
  /** The columns say the name themselves. */
  readonly nameInColumns?: true;
  readonly strategy?: Strategy;
};

export function builtin(description: BuiltinDescription): Kind {
  const [first, second] = description.apiVersion.split("/") as [string, string | undefined];
  const strategy = description.strategy ?? {};
  const version = second ?? first;
  return {
    group: second === undefined ? "" : first,
    plural: description.plural,
    singular: description.kind.toLowerCase(),
    kind: description.kind,
    listKind: `${description.kind}List`,
    shortNames: description.shortNames ?? [],
    categories: description.categories ?? [],
    namespaced: !description.clusterWide,
    versions: [
      {
        name: version,
        schema: description.schema,
        validate: validatorFor(description.schema),
        prune: false,
        columns: [
          ...(description.nameInColumns ? [] : [nameColumn]),
          ...(description.columns ?? [ageColumn]),
        ],
      },
    ],
    storageVersion: version,
    subresources: new Set(description.subresources ?? []),
    scale: description.subresources?.includes("scale") ? workloadScale : undefined,
    nameRule: description.nameRule ?? dnsSubdomain,
    selectableFields: {
      ...commonFields,
      ...Object.fromEntries(
        (description.selectable ?? []).map((path) => [path, fieldReader(path)]),
      ),
    },
    strategy,
    terminating: false,
  };
}

/** The same for all of Kubernetes' own kinds that can be scaled. */
const workloadScale: ScalePaths = {
  specReplicasPath: ".spec.replicas",
  statusReplicasPath: ".status.replicas",
  labelSelectorPath: ".spec.selector",
};

export const commonFields: Kind["selectableFields"] = {
  "metadata.name": (object) => object.metadata.name ?? "",
  "metadata.namespace": (object) => object.metadata.namespace ?? "",
};

/** Reads "spec.nodeName" as text; lists joined by commas, "" for what is not there or has no such form. */
function fieldReader(path: string): (object: ApiObject) => string {
  const parts = path.split(".");
  return (object) => {
    let value: unknown = object;
    for (const part of parts) value = isRecord(value) ? value[part] : undefined;
    return Array.isArray(value) ? value.map(scalarText).join(",") : scalarText(value);
  };
}

function scalarText(value: unknown): string {
  const scalar =
    typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return scalar ? String(value) : "";
}
