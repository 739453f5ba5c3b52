// Rules by DNS name: addresses are learnt from the answers that a pod's DNS rules let it have.
import { finding, type Finding, type PlacedRule } from "./finding.ts";
import { subjectCovers } from "./shadows.ts";

export function lintFqdns(rules: readonly PlacedRule[]): Finding[] {
  const dns = rules.filter(
    ({ rule }) => rule.direction === "egress" && rule.l7?.protocol === "dns",
  );
  return rules
    .filter(({ rule }) => rule.peers?.some(({ kind }) => kind === "fqdn"))
    .filter((placed) => !dns.some((other) => subjectCovers(other, placed)))
    .map((placed) =>
      finding(
        placed,
        placed.rule.path,
        "fqdn-without-dns",
        "no rule with rules.dns applies to these endpoints: addresses of names stay unknown",
      ),
    );
}
