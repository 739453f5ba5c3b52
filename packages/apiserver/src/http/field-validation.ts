// fieldValidation: what is done about fields that a kind does not have. Ignore drops them, Warn (the default) tells of
// them too, Strict refuses the object.
import { badRequest, field, invalid } from "../errors.ts";
import { versionOf } from "../kinds/kind.ts";
import { isRecord } from "../objects/json.ts";
import { readFields, type FieldReport } from "../schema/fields.ts";
import { builtinName } from "../schema/api-types/definitions.ts";
import { kindSchema } from "../schema/kind-schema.ts";
import type { Target } from "../verbs/target.ts";

export type FieldValidation = {
  readonly mode: "Ignore" | "Warn" | "Strict";
  readonly warn: (text: string) => void;
};

/** @throws ApiError BadRequest for an unknown mode */
export function fieldValidation(
  query: URLSearchParams,
  warn: (text: string) => void,
): FieldValidation {
  const asked = query.get("fieldValidation") || "Warn";
  if (asked !== "Ignore" && asked !== "Warn" && asked !== "Strict") {
    throw badRequest(
      `fieldValidation: Unsupported value: ${JSON.stringify(asked)}: supported values: "Ignore", "Warn", "Strict"`,
    );
  }
  return { mode: asked, warn };
}

/**
 * Judges the fields of a document that is to be stored whole.
 * @throws ApiError BadRequest for unknown fields where they are refused, and for values that cannot be decoded
 */
export function checkDocument(
  target: Target,
  document: unknown,
  { mode, warn }: FieldValidation,
): void {
  const { unknown, fault } = report(target, document);
  const { kind } = target.kind;
  const refused = (why: string) =>
    badRequest(`${kind} in version "${target.version}" cannot be handled as a ${kind}: ${why}`);
  if (fault !== undefined) throw refused(fault);
  if (unknown.length === 0 || mode === "Ignore") return;
  if (mode === "Strict")
    throw refused(`strict decoding error: ${unknownFields(unknown).join(", ")}`);
  for (const text of unknownFields(unknown)) warn(text);
}

/**
 * The same of what a patch has made of an object. What the stored object had before is not the patch's doing.
 * @throws ApiError Invalid
 */
export function checkPatched(
  target: Target,
  document: unknown,
  { mode, warn, patch }: FieldValidation & { readonly patch: unknown },
): void {
  const { unknown, fault } = report(target, document);
  const isSecret = target.kind.group === "" && target.kind.plural === "secrets";
  const told = isSecret ? "<secret contents redacted>" : patch;
  const refused = (why: string) =>
    invalid({ group: "", plural: "", kind: "" }, "", [field.invalid("patch", told, why)]);
  if (fault !== undefined) throw refused(fault);
  if (unknown.length === 0 || mode === "Ignore") return;
  if (mode === "Strict")
    throw refused(`strict decoding error: ${unknownFields(unknown).join(", ")}`);
  for (const text of unknownFields(unknown)) warn(text);
}

function unknownFields(paths: readonly string[]): string[] {
  return paths.map((path) => `unknown field ${JSON.stringify(path)}`);
}

const nothing: FieldReport = { unknown: [], fault: undefined };

function report({ kind, version, subresource }: Target, document: unknown): FieldReport {
  const served = versionOf(kind, version);
  const ownBody = subresource !== undefined && subresource !== "status";
  if (!served || ownBody || !isRecord(document)) return nothing;
  // Whoever else judges a kind sees what was sent, and tells of wrong types by itself.
  const types = !kind.admission && builtinName(kind.group, version, kind.kind) !== undefined;
  return readFields(kindSchema(kind, served), document, { types, drop: false });
}
