// Defaults, prunes and validates an object on its way to the store.
import { invalid, type Cause } from "../errors.ts";
import { versionOf, type Admission, type Kind } from "../kinds/kind.ts";
import { isRecord, sameJson } from "../objects/json.ts";
import { metadataCauses } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { isRootRule } from "../schema/custom-validator.ts";
import { applySchema } from "../schema/prune.ts";
import { dropUnknownFields } from "../schema/kind-schema.ts";
import type { Target } from "./target.ts";

/** What a judge is told besides the object. */
export type JudgeOptions = {
  /** The state that it replaces. */
  readonly before?: ApiObject | undefined;
  readonly warn?: ((text: string) => void) | undefined;
};

/**
 * Brings the object into the form it is stored in.
 * @throws ApiError Invalid with a cause for each fault.
 */
export function judge(
  target: Pick<Target, "kind" | "version">,
  object: ApiObject,
  { before, warn }: JudgeOptions = {},
): void {
  const { kind } = target;
  const version = versionOf(kind, target.version);
  // Go reads null as "not set"; only a custom resource's schema may tell them apart.
  if (version && !version.prune) dropNulls(object);
  const admitted = admit(kind, object, before);
  if (version && !version.prune) dropUnknownFields(kind, version, object);
  if (version?.schema) applySchema(version.schema, object, { prune: version.prune });
  const schemaCauses = version?.validate(object, before) ?? [];
  const ownCauses: Cause[] = [];
  // A kind's own rules rely on the types that the schema has checked.
  if (schemaCauses.length === 0) {
    kind.strategy.prepare?.(object, before);
    ownCauses.push(...(kind.strategy.validate?.(object, before) ?? []));
  }
  const causes = firstOfField(
    metadataCauses(object.metadata, kind.nameRule),
    ownCauses,
    admitted.causes,
    schemaCauses,
  );
  if (causes.length > 0) throw invalid(kind, object.metadata.name ?? "", causes);
  for (const warning of admitted.warnings) warn?.(warning);
}

const admittedAsIs = { causes: [], warnings: [] };

/**
 * An object that is as it was is not judged again: one that was stored before there was a judge can still be labelled,
 * and its finalizers go.
 */
function admit(
  kind: Kind,
  object: ApiObject,
  before: ApiObject | undefined,
): ReturnType<Admission> {
  const same = before !== undefined && sameJson(judged(object), judged(before));
  return same || !kind.admission ? admittedAsIs : kind.admission(object);
}

function judged({ metadata, status: _status, ...rest }: ApiObject): object {
  return { ...rest, annotations: metadata.annotations ?? {} };
}

/** What several judges say, each of all fields; of one field the first's words. */
function firstOfField(...judges: readonly (readonly Cause[])[]): Cause[] {
  const causes: Cause[] = [];
  for (const said of judges) {
    const told = new Set(causes.map((cause) => cause.field));
    causes.push(...said.filter((cause) => !told.has(cause.field)));
  }
  return causes;
}

/** Checks a status alone: the rest of the object is the stored one. @throws ApiError Invalid */
export function judgeStatus(target: Target, object: ApiObject, before?: ApiObject): void {
  const version = versionOf(target.kind, target.version);
  if (version && !version.prune) {
    dropNulls(object["status"]);
    dropUnknownFields(target.kind, version, object);
  }
  if (version?.schema) applySchema(version.schema, object, { prune: version.prune });
  const causes = (version?.validate(object, before) ?? []).filter(
    (cause) => cause.field?.startsWith("status") || isRootRule(cause),
  );
  if (causes.length === 0) {
    const { strategy } = target.kind;
    strategy.prepareStatus?.(object);
    causes.push(...(strategy.validateStatus?.(object) ?? []));
  }
  if (causes.length > 0) throw invalid(target.kind, object.metadata.name ?? "", causes);
}

function dropNulls(value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach(dropNulls);
  } else if (isRecord(value)) {
    for (const [name, child] of Object.entries(value)) {
      if (child === null) delete value[name];
      else dropNulls(child);
    }
  }
}
