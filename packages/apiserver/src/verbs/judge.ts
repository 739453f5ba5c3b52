// Defaults, prunes and validates an object on its way to the store.
import { invalid, type Cause } from "../errors.ts";
import { versionOf } from "../kinds/kind.ts";
import { isRecord } from "../objects/json.ts";
import { metadataCauses } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { applySchema } from "../schema/prune.ts";
import type { Target } from "./target.ts";

/**
 * Brings the object into the form it is stored in.
 * @throws ApiError Invalid with a cause for each fault.
 */
export function judge(target: Target, object: ApiObject, before: ApiObject | undefined): void {
  const { kind } = target;
  const version = versionOf(kind, target.version);
  // Go reads null as "not set"; only a custom resource's schema may tell them apart.
  if (version && !version.prune) dropNulls(object);
  if (version?.schema) applySchema(version.schema, object, { prune: version.prune });
  const schemaCauses = version?.validate(object) ?? [];
  const causes: Cause[] = [...metadataCauses(object.metadata, kind.nameRule), ...schemaCauses];
  // A kind's own rules rely on the types that the schema has checked.
  if (schemaCauses.length === 0) {
    kind.strategy.prepare?.(object, before);
    causes.push(...(kind.strategy.validate?.(object, before) ?? []));
  }
  if (causes.length > 0) throw invalid(kind, object.metadata.name ?? "", causes);
}

/** Checks a status alone: the rest of the object is the stored one. @throws ApiError Invalid */
export function judgeStatus(target: Target, object: ApiObject): void {
  const version = versionOf(target.kind, target.version);
  if (version && !version.prune) dropNulls(object["status"]);
  if (version?.schema) applySchema(version.schema, object, { prune: version.prune });
  const causes = (version?.validate(object) ?? []).filter((cause) =>
    cause.field?.startsWith("status"),
  );
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
