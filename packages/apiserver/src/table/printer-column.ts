// additionalPrinterColumns of a definition.
import type { Column } from "../kinds/kind.ts";
import { age } from "./columns.ts";
import { parseJsonPath } from "./json-path.ts";

export type PrinterColumn = {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
  readonly format?: string;
};

/** A column of a definition that was accepted. */
export function printerColumn(column: PrinterColumn): Column {
  const read = parseJsonPath(column.jsonPath);
  return {
    name: column.name,
    type: column.type as Column["type"],
    priority: column.priority ?? 0,
    ...(column.format ? { format: column.format } : {}),
    description:
      column.description ??
      `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
    value: (object) => cell(column.type, read(object)),
  };
}

/** A cell has its column's type, or nothing: what is of another type is not shown. */
function cell(type: string, values: readonly unknown[]): unknown {
  const [first] = values;
  if (first === undefined || first === null) return undefined;
  switch (type) {
    case "string":
      return values.map(text).join(" ");
    case "integer":
      return typeof first === "number" ? Math.trunc(first) : undefined;
    case "number":
      return typeof first === "number" ? first : undefined;
    case "boolean":
      return typeof first === "boolean" ? first : undefined;
    case "date":
      // kubectl prints dates as they come: the server tells the age.
      return typeof first === "string" ? age(first) : undefined;
    default:
      return undefined;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
