// policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy: ordered rules of administrators, above the policies of
// namespaces (Admin) or below them (Baseline).
import type { LabelSelector, PolicySpec, Rule, Verdict } from "../model.ts";
import { parseClusterPeers } from "./cluster-network-policy-peers.ts";
import { parseClusterProtocols } from "./cluster-network-policy-protocols.ts";
import type { Field } from "./field.ts";
import { parseNamespacedSubject } from "./namespaced-pods.ts";
import type { ParseOptions } from "./result.ts";

const directions = [
  { direction: "ingress", peers: "from" },
  { direction: "egress", peers: "to" },
] as const;

const verdicts = { Accept: "allow", Deny: "deny", Pass: "pass" } as const;
const maxPriority = 1000;

/** @returns undefined after a problem that leaves nothing to answer */
export function parseClusterSpec(spec: Field, options: ParseOptions): PolicySpec | undefined {
  if (!spec.isObject()) return undefined;
  spec.only(["tier", "priority", "subject", "ingress", "egress"]);
  for (const key of ["tier", "priority", "subject"])
    if (!spec.at(key).isGiven) spec.at(key).problem("required");
  const tier = spec.at("tier").oneOf(["Admin", "Baseline"]);
  const priority = spec.at("priority").integer(0, maxPriority);
  const selector = parseSubject(spec.at("subject"));
  const rules = directions.flatMap((each) =>
    (spec.at(each.direction).items() ?? []).flatMap((rule) => parseRule(rule, each, options)),
  );
  if (tier === undefined || priority === undefined || selector === undefined) return undefined;
  return {
    path: spec.path,
    subject: { kind: "endpoints", selector },
    tier: tier === "Admin" ? "admin" : "baseline",
    priority,
    defaultDeny: { ingress: false, egress: false },
    rules,
  };
}

function parseSubject(subject: Field): LabelSelector | undefined {
  if (!subject.isGiven || !subject.isObject()) return undefined;
  subject.only(["namespaces", "pods"]);
  const selectors = parseNamespacedSubject(subject);
  if (selectors.length !== 1) subject.problem("needs exactly one of namespaces and pods");
  return selectors[0];
}

function parseRule(
  rule: Field,
  { direction, peers: list }: (typeof directions)[number],
  options: ParseOptions,
): Rule[] {
  if (!rule.isObject()) return [];
  rule.only(["name", "action", list, "protocols"]);
  rule.at("name").text();
  const action = rule.at("action");
  if (!action.isGiven) action.problem("required");
  const verdict = verdicts[action.oneOf(["Accept", "Deny", "Pass"]) ?? "Deny"];
  const peers = parseClusterPeers(rule.at(list), { direction, verdict, options });
  const ports = parseClusterProtocols(rule.narrowing("protocols"), {
    toAddresses: namesAddresses(rule.at(list)),
  });
  const base = { direction, path: rule.path };
  if (peers !== "fail-closed") return [{ ...base, verdict, peers, ports }];
  return [failClosed(base, verdict)];
}

/** Whether some peer is told by its addresses rather than as a pod. */
function namesAddresses(list: Field): boolean {
  return (list.items() ?? []).some((item) =>
    ["nodes", "networks", "domainNames"].some((key) => item.at(key).isGiven),
  );
}

/** What the API asks for where a peer is of a kind that is not known here. */
function failClosed(base: Pick<Rule, "direction" | "path">, verdict: Verdict): Rule {
  return verdict === "allow"
    ? { ...base, verdict, peers: [], ports: undefined }
    : { ...base, verdict: "deny", peers: undefined, ports: undefined };
}
