// Who an object is: name, age, labels and annotations, as far as they are what they should be.
import type { ServiceWarning } from "../model.ts";
import { Field, recordOf } from "./field.ts";

export type ObjectHead = {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since 1970. What does not tell its age is younger than all that do. */
  readonly createdMs: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly isDeleted: boolean;
};

const unknownAge = Number.MAX_SAFE_INTEGER;

/** Names of objects and namespaces, and nothing that could pass for another key. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/;

/** undefined of what has no usable name: it is nobody. */
export function parseHead(object: unknown, warnings: ServiceWarning[]): ObjectHead | undefined {
  const metadata = new Field(object, warnings).at("metadata");
  const { namespace, name, creationTimestamp, deletionTimestamp } = recordOf(metadata.value) ?? {};
  if (typeof name !== "string" || !namePattern.test(name)) return undefined;
  if (typeof namespace !== "string" || !namePattern.test(namespace)) return undefined;
  return {
    namespace,
    name,
    createdMs: parseTime(creationTimestamp),
    labels: textsOf(metadata.at("labels").value),
    annotations: textsOf(metadata.at("annotations").value),
    isDeleted: deletionTimestamp !== undefined && deletionTimestamp !== null,
  };
}

/** The entries of a map of strings that are strings. */
export function textsOf(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(recordOf(value) ?? {}).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
}

function parseTime(value: unknown): number {
  const time = typeof value === "string" ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? unknownAge : time;
}
