// networking.k8s.io/v1 NetworkPolicy, by the Kubernetes API's documentation.
import type { Direction, PolicySpec, Rule } from "../model.ts";
import type { Field } from "./field.ts";
import { parseKubernetesPeers, type KubernetesContext } from "./network-policy-peers.ts";
import { parseKubernetesPorts } from "./network-policy-ports.ts";
import { parsePodSelector } from "./pod-selector.ts";
import { inNamespace } from "./scope.ts";

const directions = [
  { direction: "ingress", type: "Ingress", peers: "from" },
  { direction: "egress", type: "Egress", peers: "to" },
] as const;

/** @returns undefined after a problem that leaves nothing to answer */
export function parseNetworkPolicySpec(
  spec: Field,
  context: KubernetesContext,
): PolicySpec | undefined {
  if (!spec.isObject()) return undefined;
  spec.only(["podSelector", "policyTypes", "ingress", "egress"]);
  const pods = spec.at("podSelector");
  const selector = pods.isGiven ? parsePodSelector(pods) : [];
  const isolated = parseTypes(spec);
  return {
    path: spec.path,
    subject: { kind: "endpoints", selector: [...selector, inNamespace(context.namespace)] },
    tier: "normal",
    priority: 0,
    defaultDeny: isolated,
    rules: directions.flatMap((each) => parseRules(spec, isolated, each, context)),
  };
}

/** Without policyTypes ingress is isolated, and egress when there are rules for it. */
function parseTypes(spec: Field): Readonly<Record<Direction, boolean>> {
  const items = spec.at("policyTypes").items() ?? [];
  if (items.length === 0)
    return { ingress: true, egress: (spec.at("egress").items()?.length ?? 0) > 0 };
  const types = items.map((item) => {
    if (!item.isGiven) item.problem("required");
    return item.oneOf(["Ingress", "Egress"]);
  });
  return { ingress: types.includes("Ingress"), egress: types.includes("Egress") };
}

/** A section whose direction is not among policyTypes has no effect, whatever stands in it. */
function parseRules(
  spec: Field,
  isolated: Readonly<Record<Direction, boolean>>,
  { direction, type, peers }: (typeof directions)[number],
  context: KubernetesContext,
): readonly Rule[] {
  const section = spec.at(direction);
  const rules = (section.items() ?? []).flatMap((rule) => {
    if (!rule.isObject()) return [];
    rule.only([peers, "ports"]);
    return {
      direction,
      verdict: "allow" as const,
      peers: parseKubernetesPeers(rule.narrowing(peers), context),
      ports: parseKubernetesPorts(rule.narrowing("ports")),
      path: rule.path,
    };
  });
  if (isolated[direction]) return rules;
  if (rules.length > 0) section.warn(`has no effect: policyTypes does not list ${type}`);
  return [];
}
