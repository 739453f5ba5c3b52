// What is said of the names that TLS clients ask for.
import { compileDnsPattern, normalizeDnsName } from "@tsilium/net";
import type { SniRuleSet } from "../model.ts";
import type { L7Decision, SniRequest } from "./request.ts";

/** Decides about a handshake. One without a name matches `*` alone. */
export function decideSni(ruleSet: SniRuleSet, { serverName }: SniRequest): L7Decision {
  const { audit, denyRule } = ruleSet;
  const name = normalizeDnsName(serverName ?? "");
  const found = ruleSet.rules.find(({ match }) =>
    compileDnsPattern({ matchPattern: match.serverName })(name),
  );
  return found
    ? { allowed: true, audit: false, rule: found.rule }
    : { allowed: audit, audit, rule: denyRule };
}
