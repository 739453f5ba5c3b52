// Rules by DNS name: addresses are learnt from the answers that a pod's DNS rules let it have.
import { finding, type Finding, type PlacedRule } from "./finding.ts";
import { subjectCovers } from "./shadows.ts";

export function lintFqdns(rules: readonly PlacedRule[]): Finding[] {
  const dns = rules.filter(
    ({ rule }) => rule.direction === "egress" && rule.l7?.protocol === "dns",
  );
  return rules
    .filter(({ rule }) => rule.peers?.some(({ kind }) => kind === "fqdn"))
    .flatMap((placed) => {
      const { rule } = placed;
      const message = dns.some((other) => subjectCovers(other, placed))
        ? []
        : [
            finding(
              placed,
              rule.path,
              "fqdn-without-dns",
              "no rule with rules.dns applies to these endpoints: addresses of names stay unknown",
            ),
          ];
      return [
        ...message,
        finding(
          placed,
          rule.path,
          "needs-proxy",
          "DNS names match nobody yet: there is no DNS proxy",
        ),
      ];
    });
}
