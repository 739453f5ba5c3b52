// Query strings of the API, as the client's options ask for them.
import type { SelectOptions, WriteOptions } from "./options.ts";

export function selectors(options: SelectOptions): Query {
  return { labelSelector: options.labelSelector, fieldSelector: options.fieldSelector };
}

export function writeQuery(options: WriteOptions): Query {
  return { dryRun: options.dryRun, fieldManager: options.fieldManager };
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export function withQuery(path: string, query: Query): string {
  const parts = Object.entries(query).flatMap(([key, value]) =>
    value === undefined || value === "" ? [] : [`${key}=${encodeURIComponent(value)}`],
  );
  return parts.length === 0 ? path : `${path}?${parts.join("&")}`;
}
