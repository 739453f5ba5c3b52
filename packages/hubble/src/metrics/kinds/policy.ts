import { EventType, type Flow, Verdict } from "../../model.ts";
import { directionName, policyMatchNames, protocolOf, verdictName } from "../names.ts";
import { family, type MetricKind } from "./kind.ts";

/** Reserved identities whose traffic policies do not judge. */
const host = 1;
const health = 4;

export const policy: MetricKind = {
  options: [],
  create: (options) => {
    const verdicts = family(options, {
      name: "policy_verdicts_total",
      help: "Total number of Cilium network policy verdicts",
      labels: ["direction", "match", "action"],
    });
    const { values, own } = verdicts;
    return {
      families: [verdicts.family],
      note: (flow) => {
        const match = matchOf(flow);
        if (match === undefined) return;
        options.context.fill(values, flow, false);
        values[own] = directionName(flow);
        values[own + 1] = match;
        values[own + 2] = verdictName(flow.verdict).toLowerCase();
        verdicts.family.count(values);
      },
    };
  },
};

/** POLICY_DENIED, POLICY_DENY: a drop that is a policy's verdict as well. */
export function isPolicyDrop({ eventType, dropReason }: Flow): boolean {
  return eventType.type === EventType.drop && (dropReason === 133 || dropReason === 181);
}

/** undefined: no policy's verdict. */
function matchOf(flow: Flow): string | undefined {
  if (flow.eventType.type === EventType.l7) {
    // What is asked is judged, what is answered is not.
    if (flow.isReply === true || flow.verdict === Verdict.unknown) return undefined;
    return `l7/${protocolOf(flow).toLowerCase()}`;
  }
  if (flow.eventType.type !== EventType.policyVerdict && !isPolicyDrop(flow)) return undefined;
  const { source, destination } = flow;
  if (source.identity === host || source.identity === health || destination.identity === health)
    return undefined;
  return policyMatchNames[flow.policyMatchType] ?? String(flow.policyMatchType);
}
