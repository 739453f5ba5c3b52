// The smallest rule, from a flow as the page has it. A file of its own, fetched when it is first needed.
import { emptyFlow, type Flow } from "@tsilium/hubble/model.ts";
import { smallestRule } from "@tsilium/policy/suggest/index.ts";
import type { SeenFlow } from "../../src/shared/seen-flow.ts";

type Suggestion =
  | {
      readonly kind: "rule";
      readonly yaml: string;
      readonly direction: string;
      readonly remarks: readonly string[];
    }
  | { readonly kind: "none"; readonly reason: string };

export function smallestRuleFor(seen: SeenFlow): Suggestion {
  const flow: Flow = {
    ...emptyFlow,
    ...seen,
    timeNs: BigInt(seen.timeNs),
    socketCookie: BigInt(seen.socketCookie),
    cgroupId: BigInt(seen.cgroupId),
  };
  return smallestRule(flow);
}
