// Which policies had a part in a verdict, in words. Pure.
import {
  EventType,
  type Flow,
  type FlowPolicy,
  rulePathLabel,
  TrafficDirection,
  Verdict,
} from "@tsilium/hubble/model.ts";
import { printable } from "../../../cli/src/output.ts";

/** flow.DropReason POLICY_DENY: a rule denies it. POLICY_DENIED (133) is the default deny. */
const denyRule = 181;

/** " BY name (Kind), name (Kind)": what Cilium's `hubble` adds to policy verdicts with --print-policy-names. */
export function byPolicies(flow: Flow): string {
  if (flow.eventType.type !== EventType.policyVerdict) return "";
  const named = policiesOf(flow).filter(({ kind, name }) => kind !== "" && name !== "");
  if (named.length === 0) return "";
  return ` BY ${named.map(({ name, kind }) => `${printable(name)} (${printable(kind)})`).join(", ")}`;
}

function policiesOf(flow: Flow): readonly FlowPolicy[] {
  const ingress = flow.direction === TrafficDirection.ingress;
  if (flow.verdict === Verdict.forwarded || flow.verdict === Verdict.redirected)
    return ingress ? flow.ingressAllowedBy : flow.egressAllowedBy;
  return ingress ? flow.ingressDeniedBy : flow.egressDeniedBy;
}

/**
 * "denied by CiliumNetworkPolicy shop/web (spec.ingressDeny[0])" of a drop, "... (default deny)" where no rule allows it;
 * "would be denied by ..." of what audit mode lets through; "" where no policy is known.
 */
export function deniedBy(flow: Flow): string {
  const audit = flow.verdict === Verdict.audit;
  if (!audit && flow.verdict !== Verdict.dropped) return "";
  const policies = [...flow.egressDeniedBy, ...flow.ingressDeniedBy];
  if (policies.length === 0) return "";
  const rules = flow.dropReason === denyRule || flow.eventType.type !== EventType.drop;
  const names = policies.map((policy) => {
    const rule = rules ? rulePath(policy) : "default deny";
    return printable(`${objectName(policy)}${rule === "" ? "" : ` (${rule})`}`);
  });
  return `${audit ? "would be denied" : "denied"} by ${names.join(", ")}`;
}

function objectName({ kind, namespace, name }: FlowPolicy): string {
  const path = namespace === "" ? name : `${namespace}/${name}`;
  return kind === "" ? path : `${kind} ${path}`;
}

function rulePath({ labels }: FlowPolicy): string {
  const label = labels.find((text) => text.startsWith(`${rulePathLabel}=`));
  return label === undefined ? "" : label.slice(rulePathLabel.length + 1);
}
