// meta.k8s.io/v1 Table: what kubectl prints.
import type { Column, Version } from "../kinds/kind.ts";
import type { ApiObject } from "../objects/object.ts";

/** "Object": rows carry whole objects; "Metadata" (the default): their metadata alone; "None": nothing. */
export type IncludeObject = "None" | "Metadata" | "Object";

export type TableFormat = { readonly version: "v1" | "v1beta1"; readonly include: IncludeObject };

/** The Table asked for in an Accept header, or undefined for plain objects. */
export function tableFormat(
  accept: string | undefined,
  query: URLSearchParams,
): TableFormat | undefined {
  const first = (accept ?? "").split(",")[0] ?? "";
  const parameters = new Map(
    first
      .split(";")
      .slice(1)
      .map((part) => part.trim().split("=") as [string, string]),
  );
  if (parameters.get("as") !== "Table") return undefined;
  const version = parameters.get("v");
  if (version !== "v1" && version !== "v1beta1") return undefined;
  const include = query.get("includeObject");
  return { version, include: include === "None" || include === "Object" ? include : "Metadata" };
}

/** A Table of serialised objects. Watches send the columns once: pass `columns: false` after that. */
export function* tableParts(
  objects: Iterable<string>,
  options: {
    readonly version: Version;
    readonly format: TableFormat;
    readonly metadata: object;
    readonly columns: boolean;
  },
): Generator<string> {
  const { version, format } = options;
  const head = {
    kind: "Table",
    apiVersion: `meta.k8s.io/${format.version}`,
    metadata: options.metadata,
    columnDefinitions: options.columns ? version.columns.map(definition) : [],
  };
  yield `${JSON.stringify(head).slice(0, -1)},"rows":[`;
  let separator = "";
  for (const json of objects) {
    yield separator + row(json, version, format);
    separator = ",";
  }
  yield "]}";
}

function definition(column: Column): object {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? "",
    description: column.description ?? "",
    priority: column.priority ?? 0,
  };
}

function row(json: string, version: Version, format: TableFormat): string {
  const object = JSON.parse(json) as ApiObject;
  const cells = JSON.stringify(version.columns.map((column) => cell(column, object)));
  return `{"cells":${cells}${include(json, object, format)}}`;
}

/** One odd object must not cost the whole list: what a column cannot read is told as such. */
function cell(column: Column, object: ApiObject): unknown {
  try {
    return column.value(object) ?? "";
  } catch {
    return "<invalid>";
  }
}

function include(json: string, object: ApiObject, format: TableFormat): string {
  switch (format.include) {
    case "None":
      return "";
    case "Object":
      return `,"object":${json}`;
    case "Metadata":
      return `,"object":${JSON.stringify({
        kind: "PartialObjectMetadata",
        apiVersion: `meta.k8s.io/${format.version}`,
        metadata: object.metadata,
      })}`;
  }
}
