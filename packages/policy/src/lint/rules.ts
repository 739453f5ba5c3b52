// Rules that do nothing by themselves.
import type { L7Rules } from "../model.ts";
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
  if (rule.l7) found.push(...lintL7(placed, rule.l7));
  return found;
}

function lintL7(placed: PlacedRule, l7: L7Rules): Finding[] {
  const told = (code: Finding["code"], message: string) => [
    finding(placed, placed.rule.path, code, message),
  ];
  switch (l7.protocol) {
    case "l7":
    case "listener":
    case "auth":
      return told("not-enforced", `${unsupported[l7.protocol]}: the rule allows nothing`);
    case "sni":
      return l7.serverNames.length === 0
        ? told("matches-no-request", "lists no server name, so it lets nothing through")
        : [];
    case "http":
    case "kafka":
    case "dns":
      return l7.rules.length === 0 || (l7.protocol === "http" && l7.serverNames?.length === 0)
        ? told(
            "matches-no-request",
            `lists no request of ${l7.protocol}, so it lets nothing through`,
          )
        : [];
  }
}

const unsupported = {
  l7: "no proxy here understands its protocol",
  listener: "listeners of CiliumEnvoyConfig are not there",
  auth: "mutual authentication is not there",
} as const;

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
