// Which webhooks are asked about a change, and in which version of the kind.
import { versionOf } from "../../kinds/kind.ts";
import { selectorMatches } from "../../objects/selectors.ts";
import type { Target } from "../../verbs/target.ts";
import type { Change, Operation, Rule, Webhook } from "./model.ts";

/** The group that no webhook is asked about: a bad one must not keep its own configuration from being mended. */
const exempt = "admissionregistration.k8s.io";

/** Could this webhook be asked about such a change? By its rules alone, before anything is known of the object. */
export function matchedVersion(
  { rules = [], matchPolicy }: Pick<Webhook, "rules" | "matchPolicy">,
  operation: Operation,
  target: Target,
): string | undefined {
  const { kind, version } = target;
  if (kind.group === exempt || kind.review) return undefined;
  const matches = (name: string) =>
    rules.some((rule) => ruleMatches(rule, operation, { target, version: name }));
  if (matches(version)) return version;
  if (matchPolicy === "Exact") return undefined;
  // The same object in another version that the webhook knows.
  return kind.versions
    .map(({ name }) => name)
    .find((name) => versionOf(kind, name) && matches(name));
}

function ruleMatches(
  rule: Rule,
  operation: Operation,
  { target, version }: { readonly target: Target; readonly version: string },
): boolean {
  const { kind, subresource } = target;
  const has = (list: readonly string[], one: string) => list.includes("*") || list.includes(one);
  // A namespace is no object in a namespace, whatever paths say.
  const scope = kind.namespaced ? "Namespaced" : "Cluster";
  return (
    has(rule.operations, operation) &&
    has(rule.apiGroups, kind.group) &&
    has(rule.apiVersions, version) &&
    (rule.scope === "*" || rule.scope === scope) &&
    rule.resources.some((resource) => resourceMatches(resource, kind.plural, subresource))
  );
}

/** "pods", "pods/status", "pods/*", "*" (all resources), "*" + "/scale", "*" + "/*" */
function resourceMatches(
  pattern: string,
  plural: string,
  subresource: string | undefined,
): boolean {
  const [resource, part] = pattern.split("/", 2);
  if (resource !== "*" && resource !== plural) return false;
  if (part === "*") return true;
  return part === subresource;
}

/** Do its selectors choose the object, by what it is or what it was? */
export function selects(webhook: Webhook, change: Change): boolean {
  const { namespaceLabels, object, oldObject } = change;
  if (namespaceLabels && !selectorMatches(webhook.namespaceSelector, namespaceLabels)) return false;
  return [object, oldObject].some(
    (one) =>
      one !== undefined && selectorMatches(webhook.objectSelector, one.metadata.labels ?? {}),
  );
}
