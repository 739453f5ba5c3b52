// metadata.generation: how many states an object's content has had. Some kinds of Kubernetes do not count.
import { resourceKey } from "../kinds/kind.ts";
import { sameJson } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Target } from "./target.ts";

const uncounted: ReadonlySet<string> = new Set([
  "/configmaps",
  "/events",
  "/namespaces",
  "/nodes",
  "/secrets",
  "/serviceaccounts",
  "/services",
  "apps/controllerrevisions",
  "coordination.k8s.io/leases",
  "events.k8s.io/events",
]);

export function countNew(target: Target, object: ApiObject): void {
  if (uncounted.has(resourceKey(target.kind))) delete object.metadata.generation;
  else object.metadata.generation = 1;
}

/** Counts one more where the content differs. */
export function countChange(target: Target, next: ApiObject, before: ApiObject): void {
  const { generation } = before.metadata;
  if (uncounted.has(resourceKey(target.kind))) return;
  if (!sameJson(content(next, target), content(before, target)))
    next.metadata.generation = (generation ?? 0) + 1;
}

/** All but metadata, and status where that is written apart; a Deployment's annotations count, too. */
function content({ metadata, ...rest }: ApiObject, { kind }: Target): object {
  const own = kind.subresources.has("status") ? { ...rest, status: undefined } : rest;
  const annotated = resourceKey(kind) === "apps/deployments";
  return annotated ? { ...own, annotations: metadata.annotations ?? {} } : own;
}
