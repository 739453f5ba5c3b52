// Rules that do nothing by themselves.
import { finding, type Finding, type PlacedRule, type PlacedSpec } from "./finding.ts";

export function lintRule(placed: PlacedRule): Finding[] {
  const { rule } = placed;
  const found: Finding[] = [];
  const add = (code: Finding["code"], message: string) =>
    found.push(finding(placed, rule.path, code, message));
  const what = rule.verdict === "allow" ? "allows" : rule.verdict === "deny" ? "denies" : "passes";
  if (rule.peers?.length === 0)
    add("matches-nobody", `matches nobody, so it ${what} nothing${aside(placed)}`);
  if (rule.ports?.length === 0) add("matches-no-port", `matches no port, so it ${what} nothing`);
  if (rule.l7)
    add("needs-proxy", `${rule.l7.protocol} is not enforced yet: the rule allows nothing`);
  return found;
}

/** What an empty rule is for. */
function aside({ spec, rule }: PlacedRule): string {
  return spec.defaultDeny[rule.direction]
    ? `; ${rule.direction} that no other rule allows is denied`
    : "";
}

export function lintEffect(placed: PlacedSpec): Finding[] {
  const { spec } = placed;
  const { ingress, egress } = spec.defaultDeny;
  const does = spec.rules.some(({ peers, ports }) => peers?.length !== 0 && ports?.length !== 0);
  if (ingress || egress || does) return [];
  return [finding(placed, spec.path, "no-effect", "isolates nobody and has no rule that matches")];
}
