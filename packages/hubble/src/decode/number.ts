// Flows get their numbers when they leave the decoder, in the order in which they do.
import { flowUuid, type StoreId } from "../history/uuid.ts";
import type { Flow } from "../model.ts";

/**
 * Gives flows their sequence and UUID, from `after` + 1 on, and answers the last one. In place: nobody else may have them
 * yet.
 */
export function numberFlows(flows: readonly Flow[], after: number, storeId: StoreId): number {
  let sequence = after;
  for (const flow of flows as { -readonly [Field in keyof Flow]: Flow[Field] }[]) {
    flow.sequence = ++sequence;
    flow.uuid = flowUuid(storeId, sequence);
  }
  return sequence;
}
