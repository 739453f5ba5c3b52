// The scale subresource: how many replicas an object wants and has, seen as an autoscaling/v1 Scale.
import { badRequest, field, internal, invalid } from "../errors.ts";
import type { ScalePaths } from "../kinds/kind.ts";
import { cloneJson, isRecord } from "../objects/json.ts";
import { selectorText, type LabelSelector } from "../objects/label-selector.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Target } from "./target.ts";

export const scaleApiVersion = "autoscaling/v1";
const scaleKind = "Scale";
const scaleSubject = { group: "autoscaling", plural: "scales", kind: scaleKind };

/** @throws ApiError InternalError for a custom object that does not say how many it wants, as in Kubernetes. */
export function scaleOf({ kind }: Target, object: ApiObject): ApiObject {
  const paths = kind.scale as ScalePaths;
  const replicas = valueAt(object, paths.specReplicasPath);
  if (typeof replicas !== "number")
    throw internal(
      `the spec replicas field ${JSON.stringify(paths.specReplicasPath)} does not exist`,
    );
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const has = valueAt(object, paths.statusReplicasPath);
  const selector = paths.labelSelectorPath && valueAt(object, paths.labelSelectorPath);
  const text = isRecord(selector) ? selectorText(selector as LabelSelector) : selector;
  return {
    kind: scaleKind,
    apiVersion: scaleApiVersion,
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: replicas === 0 ? {} : { replicas },
    status: {
      replicas: typeof has === "number" ? has : 0,
      ...(typeof text === "string" && text !== "" ? { selector: text } : {}),
    },
  };
}

/**
 * How many replicas a Scale asks for.
 * @throws ApiError BadRequest for what is no Scale, Invalid for a number that cannot be.
 */
export function replicasOf(scale: ApiObject, name: string): number {
  if (scale.apiVersion !== "" && scale.apiVersion !== scaleApiVersion) {
    throw badRequest(
      `the API version in the data (${scale.apiVersion}) does not match the expected API version (${scaleApiVersion})`,
    );
  }
  if (scale.kind !== "" && scale.kind !== scaleKind)
    throw badRequest(
      `the kind in the data (${scale.kind}) does not match the expected kind (Scale)`,
    );
  const spec = scale["spec"] ?? {};
  const replicas = isRecord(spec) ? (spec["replicas"] ?? 0) : undefined;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas > 2 ** 31 - 1)
    throw badRequest("spec.replicas must be an integer");
  if (replicas < 0) {
    const why = "must be greater than or equal to 0";
    throw invalid(scaleSubject, name, [field.invalid("spec.replicas", replicas, why)]);
  }
  return replicas;
}

/** The object with another number of replicas. */
export function withReplicas({ kind }: Target, object: ApiObject, replicas: number): ApiObject {
  const next = cloneJson(object);
  set(next, (kind.scale as ScalePaths).specReplicasPath, replicas);
  return next;
}

/** Of an object only its number of replicas: what who applies a Scale owns. */
export function replicasAlone({ kind }: Target, replicas: number): Record<string, unknown> {
  const alone: Record<string, unknown> = {};
  set(alone, (kind.scale as ScalePaths).specReplicasPath, replicas);
  return alone;
}

/** ".spec.replicas", without the dots. */
const stepsOf = (path: string) => path.split(".").filter((step) => step !== "");

function valueAt(object: unknown, path: string): unknown {
  return stepsOf(path).reduce<unknown>(
    (value, step) => (isRecord(value) && Object.hasOwn(value, step) ? value[step] : undefined),
    object,
  );
}

function set(object: Record<string, unknown>, path: string, value: unknown): void {
  const steps = stepsOf(path);
  const last = steps.pop() as string;
  let at = object;
  for (const step of steps) {
    const below = at[step];
    at = at[step] = isRecord(below) ? below : {};
  }
  at[last] = value;
}
