// An explanation in words: one sentence a direction, the rule's own lines, and what would change the answer.
import { type DirectionView, type Explanation, objectName, type RuleView } from "./explanation.ts";
import { aroundWords, ruleWords } from "./l7/words.ts";
import { ruleLines } from "./rule-lines.ts";
import { type Needed, suggestedRule } from "./suggest.ts";

export type Question = {
  /** As people call them: "shop/frontend", "203.0.113.10", "world". */
  readonly from: string;
  readonly to: string;
  /** "80/tcp" */
  readonly port: string;
  /** "GET /public" */
  readonly request?: string;
};

export type Described = {
  readonly question: Question;
  readonly explanation: Explanation;
  /** The object of a rule, where it can be had: its lines are shown. */
  readonly objectOf?: (rule: RuleView) => unknown;
  /** "policies/isolate.yaml", where the object came from a file. */
  readonly fileOf?: (rule: RuleView) => string | undefined;
  /** Both ends, for a rule that would allow it. */
  readonly ends?: Needed["ends"];
};

/** A headline, and a paragraph for each direction. */
export function describe(described: Described): string {
  const { question, explanation } = described;
  const words = { allowed: "allowed", denied: "denied", audit: "let through, audited" } as const;
  return [
    `${question.from} -> ${question.to} ${question.port}${requestOf(question)}: ${words[explanation.verdict]}`,
    paragraph(described, "egress"),
    paragraph(described, "ingress"),
  ].join("\n");
}

function requestOf({ request }: Question): string {
  return request === undefined ? "" : ` ${request}`;
}

type Direction = "egress" | "ingress";

function paragraph(described: Described, direction: Direction): string {
  const { question, explanation } = described;
  const view = explanation[direction];
  const where = direction === "egress" ? `egress of ${question.from}` : `ingress of ${question.to}`;
  const lines = [
    `  ${where}: ${sentence(view)}`,
    ...view.rules.slice(0, 1).flatMap((rule) => shownLines(described, rule)),
    ...others(view).map((rule) => `    also: ${objectName(rule)} (${rule.path})`),
    ...requestLines(view).map((line) => `    ${line}`),
    ...hints(described, direction).map((line) => `    ${line}`),
  ];
  return lines.join("\n");
}

function sentence(view: DirectionView): string {
  const [rule] = view.rules;
  const decider = rule && `${objectName(rule)} (${rule.path})`;
  const isolating = listed(view.defaultDenyBy.map(objectName));
  const isolate = view.defaultDenyBy.length === 1 ? "isolates it" : "isolate it";
  if (view.verdict === "allowed") {
    if (decider) return `allowed by ${decider}`;
    return `allowed: ${reason(view) ?? "no policy says otherwise"}`;
  }
  const what = view.verdict === "audit" ? "let through; it would be denied" : "denied";
  if (view.l7) return `${what} by the proxy: ${proxyReason(view)}`;
  if (decider) return `${what} by ${decider}`;
  if (view.defaultDenyBy.length > 0)
    return `${what} by default: ${isolating} ${isolate}, and no rule allows this`;
  return `${what}: ${reason(view) ?? "for no reason that is known"}`;
}

/** What the proxy lets through; or, of a request that it does, nothing more. */
function requestLines({ l7 }: DirectionView): string[] {
  if (!l7 || l7.request?.verdict === "allowed") return [];
  const { ruleSet, request } = l7;
  if (request?.refused !== undefined) return [`The request ${request.refused}: it is refused.`];
  const pathOf = (number: number) => {
    const rule = l7.rules.find((one) => one.number === number);
    return rule ? ` (${objectName(rule)} ${rule.path})` : "";
  };
  const lines = ruleWords(ruleSet).map(({ rule, words }) => `  ${words}${pathOf(rule)}`);
  return [
    `A proxy looks into it (${ruleSet.kind}) and lets through${lines.length === 0 ? " nothing." : ":"}`,
    ...lines,
    ...aroundWords(ruleSet).map((words) => `  ${words}`),
  ];
}

function reason({ builtin }: DirectionView): string | undefined {
  return builtin === "not a pod" ? "policy holds pods only" : builtin;
}

function proxyReason({ l7, defaultDenyBy }: DirectionView): string {
  if (l7?.request?.refused !== undefined) return "no rule is asked about such a request";
  if (defaultDenyBy.length === 0) return "no rule allows this request";
  const isolate = defaultDenyBy.length === 1 ? "isolates it" : "isolate it";
  return `${listed(defaultDenyBy.map(objectName))} ${isolate}, and no rule allows this request`;
}

/** Rules that would have decided the same, had the first not been. */
function others({ rules }: DirectionView): readonly RuleView[] {
  return rules.slice(1);
}

function shownLines({ objectOf, fileOf }: Described, rule: RuleView): string[] {
  const lines = ruleLines(objectOf?.(rule), rule.path);
  const file = fileOf?.(rule);
  return [
    ...(file === undefined ? [] : [`    in ${file}`]),
    ...(lines ?? []).map((line) => `    | ${line}`),
  ];
}

function hints(described: Described, direction: Direction): string[] {
  const view = described.explanation[direction];
  if (view.verdict === "allowed" || view.l7) return [];
  if (view.rules.length > 0)
    return ["A deny wins over every allow: it takes a change of this rule."];
  const [first] = view.defaultDenyBy;
  if (!first) return [];
  const rule =
    described.ends && suggestedRule({ ...described, ends: described.ends, direction, like: first });
  if (rule === undefined)
    return ["It takes a rule that allows it, in any policy that selects the pod."];
  return [
    "This rule, in any policy that selects the pod, would allow it:",
    ...rule.map((line) => `  ${line}`),
  ];
}

/** "a", "a and b", "a, b and c" */
function listed(items: readonly string[]): string {
  if (items.length < 2) return items.join("");
  return `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`;
}
