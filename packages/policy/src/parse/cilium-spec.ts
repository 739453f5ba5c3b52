// `spec`, or an item of `specs`, of CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy.
import type { Direction, LabelSelector, PolicySpec, Rule } from "../model.ts";
import { parseCiliumRule, type RuleContext } from "./cilium-rule.ts";
import type { Field } from "./field.ts";
import { nodeKey, sourcedKey } from "./label-key.ts";
import type { ParseOptions } from "./result.ts";
import { parseRuleLabels } from "./rule-labels.ts";
import { excludesNamespace, inNamespace, isInit } from "./scope.ts";
import { parseSelector } from "./selector.ts";

const maxLogLength = 32;

const sections = [
  { name: "ingress", direction: "ingress", verdict: "allow" },
  { name: "ingressDeny", direction: "ingress", verdict: "deny" },
  { name: "egress", direction: "egress", verdict: "allow" },
  { name: "egressDeny", direction: "egress", verdict: "deny" },
] as const;

const known = [
  "endpointSelector",
  "nodeSelector",
  ...sections.map(({ name }) => name),
  "enableDefaultDeny",
  "labels",
  "description",
  "log",
];

export type SpecContext = {
  /** undefined: of a cluster-wide policy. */
  readonly namespace: string | undefined;
  readonly options: ParseOptions;
};

/** @returns undefined after a problem that leaves nothing to answer */
export function parseCiliumSpec(spec: Field, context: SpecContext): PolicySpec | undefined {
  if (!spec.isObject()) return undefined;
  spec.only(known);
  spec.at("enableDefaultDeny").only(["ingress", "egress"]);
  spec.at("log").only(["value"]);
  const subject = parseSubject(spec, context);
  if (subject === undefined) return undefined;
  refuseNoRules(spec);
  const rules = parseRules(spec, context, subject);
  const description = spec.at("description").text();
  const labels = parseRuleLabels(spec.at("labels"));
  const log = parseLog(spec.at("log"));
  return {
    path: spec.path,
    subject,
    tier: "normal",
    priority: 0,
    defaultDeny: {
      ingress: deniesByDefault(spec, "ingress"),
      egress: deniesByDefault(spec, "egress"),
    },
    rules,
    ...(description === undefined ? {} : { description }),
    ...(labels === undefined ? {} : { labels }),
    ...(log === undefined ? {} : { log }),
  };
}

function parseSubject(spec: Field, context: SpecContext): PolicySpec["subject"] | undefined {
  const endpoints = spec.at("endpointSelector");
  const nodes = spec.at("nodeSelector");
  if (endpoints.isGiven && nodes.isGiven) {
    spec.problem("has both endpointSelector and nodeSelector");
    return undefined;
  }
  if (endpoints.isGiven)
    return { kind: "endpoints", selector: parseEndpointSelector(endpoints, context.namespace) };
  if (!nodes.isGiven) {
    spec.problem("needs endpointSelector or nodeSelector; {} selects everything");
    return undefined;
  }
  if (context.namespace !== undefined)
    nodes.problem("only a CiliumClusterwideNetworkPolicy can select nodes");
  nodes.warn("not enforced: there is no host firewall yet");
  return { kind: "nodes", selector: parseSelector(nodes, nodeKey) };
}

/** Whatever a namespaced policy's selector says, it stays in its namespace. */
function parseEndpointSelector(field: Field, namespace: string | undefined): LabelSelector {
  const selector = parseSelector(field, sourcedKey);
  if (namespace === undefined) return selector;
  if (excludesNamespace(selector, namespace))
    field.warn(`selects nothing: a policy applies to its own namespace, ${namespace}, alone`);
  return [...selector, inNamespace(namespace)];
}

/** Such a policy would isolate nobody, most likely against its author's intention. */
function refuseNoRules(spec: Field): void {
  const isEmpty = sections.every(({ name }) => (spec.at(name).items()?.length ?? 0) === 0);
  if (isEmpty)
    spec.problem(
      "needs a rule in ingress, ingressDeny, egress or egressDeny; ingress: [{}] denies all ingress",
    );
}

function parseRules(
  spec: Field,
  { namespace, options }: SpecContext,
  subject: PolicySpec["subject"],
): readonly Rule[] {
  const isHost = subject.kind === "nodes";
  const scope = { namespace, isInit: !isHost && isInit(subject.selector) };
  return sections.flatMap(({ name, direction, verdict }) => {
    const context: RuleContext = { direction, verdict, scope, options, isHost };
    return (spec.at(name).items() ?? []).flatMap((rule) => parseCiliumRule(rule, context));
  });
}

/** A direction is isolated by having rules, unless enableDefaultDeny says that it shall not be. */
function deniesByDefault(spec: Field, direction: Direction): boolean {
  const count = (name: string) => spec.at(name).items()?.length ?? 0;
  const hasRules = count(direction) + count(`${direction}Deny`) > 0;
  const settings = spec.at("enableDefaultDeny");
  if (settings.isGiven && !settings.isObject()) return hasRules;
  const wanted = settings.at(direction).boolean();
  if (wanted === true && !hasRules)
    settings.at(direction).warn(`has no effect without a rule: ${direction}: [{}] denies all`);
  return hasRules && wanted !== false;
}

function parseLog(log: Field): string | undefined {
  if (!log.isGiven || !log.isObject()) return undefined;
  const value = log.at("value").text();
  if (value !== undefined && value.length > maxLogLength)
    log.at("value").problem(`at most ${maxLogLength} characters`);
  return value;
}
