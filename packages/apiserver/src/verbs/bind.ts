// POST .../pods/NAME/binding: the scheduler's decision. A pod is bound once.
import { badRequest, conflict, notFound } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { timestamp, type ApiObject, type Fields } from "../objects/object.ts";
import type { Stored } from "../store/store.ts";
import type { WriteContext } from "./create.ts";
import { DryRun } from "./dry-run.ts";
import { placeOf, type Target } from "./target.ts";

/** @throws ApiError NotFound, Conflict (bound already, or being deleted), BadRequest */
export async function bind(
  context: WriteContext,
  target: Target,
  body: ApiObject,
): Promise<Stored> {
  const node = isRecord(body["target"]) ? body["target"]["name"] : undefined;
  if (typeof node !== "string" || node === "") throw badRequest("target.name is required");
  return DryRun.transact(context, (transaction) => {
    const stored = transaction.get(placeOf(target));
    if (!stored) throw notFound(target.kind, target.name);
    const pod = JSON.parse(stored.json) as ApiObject;
    if (pod.metadata.deletionTimestamp !== undefined) {
      throw conflict(
        target.kind,
        target.name,
        `pod ${target.name} is being deleted, cannot be assigned to a host`,
      );
    }
    const spec = pod["spec"] as Fields;
    if (spec["nodeName"]) {
      throw conflict(
        target.kind,
        target.name,
        `pod ${target.name} is already assigned to node "${String(spec["nodeName"])}"`,
      );
    }
    spec["nodeName"] = node;
    const status = (pod["status"] ?? {}) as Fields;
    const others = ((status["conditions"] ?? []) as Fields[]).filter(
      (entry) => entry["type"] !== "PodScheduled",
    );
    const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: timestamp() };
    pod["status"] = { ...status, conditions: [...others, scheduled] };
    return transaction.put(placeOf(target), pod);
  });
}
