// What goes through a proxy, and which rules hold there together. What a request meets then is another question.
import type { CiliumPortRule } from "./objects.ts";

export type L7Kind = "http" | "kafka" | "dns" | "sni";

/** A `toPorts` entry with L7 rules that matches. */
export type L7Entry = {
  readonly kind: L7Kind;
  readonly entry: CiliumPortRule;
  /** Of the policy, for secrets without a namespace; undefined: clusterwide. */
  readonly namespace: string | undefined;
};

/** Any of the rules lets a request through. */
export type NaiveRuleSet = {
  readonly kind: L7Kind;
  /** Nothing is denied, only told. */
  readonly audit: boolean;
  readonly rules: readonly (L7Entry & { readonly rule: string })[];
  /** A rule without L7 that is written for the very same ports: every request gets through. */
  readonly openedBy: string | undefined;
};

/** "plain": decided at L4; "nothing": what no proxy of ours enforces allows nothing. */
export function kindOf(entry: CiliumPortRule): L7Kind | "plain" | "nothing" {
  const rules = (entry.rules ?? {}) as Record<string, unknown>;
  if (rules["l7proto"] !== undefined || rules["l7"] !== undefined) return "nothing";
  if (rules["http"] !== undefined) return "http";
  if (rules["kafka"] !== undefined) return "kafka";
  if (rules["dns"] !== undefined) return "dns";
  if (entry.listener !== undefined) return "nothing";
  // TLS is taken off to read what is inside.
  if (entry.terminatingTLS !== undefined || entry.originatingTLS !== undefined) return "http";
  return entry.serverNames === undefined ? "plain" : "sni";
}

/** Those that can be enforced on one port: the first one's kind, and one certificate for each side. */
export function together<Rule extends L7Entry>(entries: readonly Rule[]): Rule[] {
  const chosen: Rule[] = [];
  for (const one of entries) {
    const [first] = chosen;
    if (first && first.kind !== one.kind) continue;
    const sides = ["terminatingTLS", "originatingTLS"] as const;
    const isOdd = sides.some((side) => {
      const mine = secretOf(one, side);
      return chosen.some((other) => {
        const theirs = secretOf(other, side);
        return mine !== undefined && theirs !== undefined && mine !== theirs;
      });
    });
    if (!isOdd) chosen.push(one);
  }
  return chosen;
}

function secretOf(
  { entry, namespace }: L7Entry,
  side: "terminatingTLS" | "originatingTLS",
): string | undefined {
  const context = entry[side] as
    | {
        readonly secret: { readonly namespace?: string; readonly name: string };
        readonly trustedCA?: string;
        readonly certificate?: string;
        readonly privateKey?: string;
      }
    | undefined;
  if (!context) return undefined;
  const { secret, trustedCA = "", certificate = "", privateKey = "" } = context;
  return [secret.namespace || namespace, secret.name, trustedCA, certificate, privateKey].join(" ");
}
