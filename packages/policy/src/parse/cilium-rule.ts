// One item of ingress, ingressDeny, egress or egressDeny.
import type { PortMatch, Rule } from "../model.ts";
import { parsePeers, peerFields, type PeersContext } from "./cilium-peers.ts";
import { parseToPorts, type PortEntry } from "./cilium-ports.ts";
import type { Field } from "./field.ts";
import { parseIcmps } from "./icmp.ts";

export type RuleContext = PeersContext & {
  /** Of a host policy. */
  readonly isHost: boolean;
};

/** A rule for what is decided at L4, and one for each `toPorts` entry that is not. */
export function parseCiliumRule(rule: Field, context: RuleContext): readonly Rule[] {
  if (!rule.isObject()) return [];
  const { direction, verdict } = context;
  const requires = direction === "ingress" ? "fromRequires" : "toRequires";
  const authentication = verdict === "allow" ? ["authentication"] : [];
  rule.only([...peerFields(context), requires, "toPorts", "icmps", ...authentication]);

  const peers = parsePeers(rule, context);
  const { namespace } = context.scope;
  const entries = parseToPorts(rule.narrowing("toPorts"), { ...context, namespace });
  const icmps = parseIcmps(rule.narrowing("icmps"));
  if (entries && entries.length > 0 && icmps && icmps.length > 0)
    rule.at("icmps").problem("icmps and toPorts in one rule: write a rule for each");

  const isEmpty = peers === undefined && entries === undefined && icmps === undefined;
  // One that allows is how Cilium writes a default deny; one that denies reads as if it denied all.
  if (isEmpty && verdict === "deny")
    rule.warn("an empty rule names nothing to deny; it denies by default what no rule allows");
  const base = { direction, verdict, path: rule.path, peers: isEmpty ? [] : peers };
  if (needsAuthentication(rule, context))
    return [{ ...base, ports: allPorts(entries, icmps), l7: { protocol: "auth" } }];
  const atL4 = (entries ?? []).filter(({ l7 }) => l7 === undefined);
  const atL7 = (entries ?? []).flatMap(({ ports, l7, path }) =>
    l7 ? [{ ...base, ports, l7, path }] : [],
  );
  const hasL4 = atL7.length === 0 || atL4.length > 0 || icmps !== undefined;
  return hasL4 ? [{ ...base, ports: allPorts(entries && atL4, icmps) }, ...atL7] : atL7;
}

/** undefined only where neither ports nor ICMP types restrict the rule: empty lists match nothing. */
function allPorts(
  entries: readonly PortEntry[] | undefined,
  icmps: readonly PortMatch[] | undefined,
): readonly PortMatch[] | undefined {
  if (entries === undefined && icmps === undefined) return undefined;
  return [...(entries ?? []).flatMap(({ ports }) => ports), ...(icmps ?? [])];
}

/** Nobody proves who they are yet, so that a rule which asks for proof allows nothing. */
function needsAuthentication(rule: Field, { verdict }: RuleContext): boolean {
  const authentication = rule.narrowing("authentication");
  if (verdict === "deny" || !authentication.isGiven || !authentication.isObject()) return false;
  authentication.only(["mode"]);
  const mode = authentication.at("mode");
  if (!mode.isGiven) mode.problem("required");
  const needed = mode.oneOf(["disabled", "required", "test-always-fail"]) !== "disabled";
  if (needed)
    authentication.warn("mutual authentication is not there yet: the rule allows nothing");
  return needed;
}
