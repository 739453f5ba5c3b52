// One door to all kinds.
import type { RuleSet } from "../model.ts";
import { decideDns } from "./dns.ts";
import { decideHttp } from "./http.ts";
import { decideKafka } from "./kafka.ts";
import type { L7Decision, L7Request } from "./request.ts";
import { decideSni } from "./sni.ts";

/** Decides about a request. One of another kind than the rule set's is nothing that its proxy understands: refused. */
export function decideL7(ruleSet: RuleSet, asked: L7Request): L7Decision {
  if (ruleSet.kind === "http" && asked.kind === "http") return decideHttp(ruleSet, asked.request);
  if (ruleSet.kind === "dns" && asked.kind === "dns") return decideDns(ruleSet, asked.request);
  if (ruleSet.kind === "kafka" && asked.kind === "kafka")
    return decideKafka(ruleSet, asked.request);
  if (ruleSet.kind === "sni" && asked.kind === "sni") return decideSni(ruleSet, asked.request);
  return { allowed: false, audit: false, rule: 0 };
}
