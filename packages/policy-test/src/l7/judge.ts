// An explanation of a connection, narrowed to one request on it: what the rule set of each direction says of it.
import { decideHttp, decideL7, type L7Decision, type L7Request } from "@tsilium/policy";
import type { RuleSet } from "@tsilium/policy/model.ts";
import { type DirectionView, type Explanation, type Verdict, worse } from "../explanation.ts";

/** Sides through a proxy say what it does with the request; of others the connection's verdict holds. */
export function explainRequest(explanation: Explanation, asked: L7Request): Explanation {
  const egress = sideFor(explanation.egress, asked);
  const ingress = sideFor(explanation.ingress, asked);
  return { ...explanation, verdict: worse(egress.verdict, ingress.verdict), egress, ingress };
}

function sideFor(side: DirectionView, asked: L7Request): DirectionView {
  const { l7 } = side;
  if (!l7) return side;
  const { decision, refused } = decide(l7.ruleSet, asked);
  const verdict: Verdict = decision.audit ? "audit" : decision.allowed ? "allowed" : "denied";
  const request = { kind: asked.kind, verdict, ...(refused === undefined ? {} : { refused }) };
  if (verdict !== "allowed")
    return { verdict, rules: [], defaultDenyBy: l7.defaultDenyBy, l7: { ...l7, request } };
  const rules = l7.rules
    .filter(({ number }) => number === decision.rule)
    .map(({ kind, namespace, name, path }) => ({ kind, namespace, name, path }));
  return { verdict, rules, defaultDenyBy: [], l7: { ...l7, request } };
}

/** `refused`: before any rule was asked, and why. Values of secrets are not known here: those rules match nothing. */
function decide(ruleSet: RuleSet, asked: L7Request): { decision: L7Decision; refused?: string } {
  if (ruleSet.kind !== asked.kind)
    return {
      decision: decideL7(ruleSet, asked),
      refused: `is of another kind than the rules, which are of ${ruleSet.kind}`,
    };
  if (ruleSet.kind !== "http" || asked.kind !== "http")
    return { decision: decideL7(ruleSet, asked) };
  const decision = decideHttp(ruleSet, asked.request);
  return decision.reason === undefined ? { decision } : { decision, refused: decision.reason };
}
