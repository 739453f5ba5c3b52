// Whether suggested policies do what they are for: read by our own parser, compiled, and asked about everything seen.
import type { Policy, PolicySettings } from "../model.ts";
import { PolicyCompiler } from "../compile/compiler.ts";
import { parsePolicy } from "../parse/parse.ts";
import type { ParseOptions, Problem } from "../parse/result.ts";
import { judge, remembering } from "./judge.ts";
import { questionOf } from "./replay.ts";
import type { SeenConnection } from "./seen-connection.ts";
import type { PolicyManifest } from "../suggest/manifest.ts";
import { isWanted } from "../suggest/suggest.ts";

export type ProofSettings = PolicySettings & Omit<ParseOptions, "clusterName">;

export type Proof = {
  /** Policies that our parser refuses. */
  readonly invalid: readonly {
    readonly policy: PolicyManifest;
    readonly problems: readonly Problem[];
  }[];
  /** To be allowed, and not allowed. */
  readonly missing: readonly SeenConnection[];
  /** Denied when they were seen, and allowed now: no rule tells them from one that is to be allowed. */
  readonly extra: readonly SeenConnection[];
  /** Connections that were asked about. */
  readonly connections: number;
};

/** As if no other policies were there. */
export function prove(
  policies: readonly PolicyManifest[],
  connections: readonly SeenConnection[],
  options: { readonly settings: ProofSettings; readonly includeDrops: boolean },
): Proof {
  const invalid: Proof["invalid"][number][] = [];
  const parsed: Policy[] = [];
  for (const policy of policies) {
    const result = parsePolicy(policy, options.settings);
    if (result.ok) parsed.push(result.policy);
    else invalid.push({ policy, problems: result.problems });
  }
  const compiler = new PolicyCompiler(options.settings);
  for (const policy of parsed) compiler.setPolicy(policy);
  const explain = remembering(
    judge((question) => compiler.explain(question), { policies: parsed }),
  );
  const identityOf = numbering();
  const missing: SeenConnection[] = [];
  const extra: SeenConnection[] = [];
  for (const connection of connections) {
    const { verdict } = explain(questionOf(connection, { identityOf }));
    const isAllowed = verdict === "allowed";
    const wanted = isWanted(connection, options);
    if (wanted && !isAllowed) missing.push(connection);
    if (!wanted && isAllowed) extra.push(connection);
  }
  return { invalid, missing, extra, connections: connections.length };
}

/** A number for each set of labels: identities of the past may have been given to others since. */
function numbering(): (labels: { readonly key: string }) => number {
  const numbers = new Map<string, number>();
  return ({ key }) => {
    const known = numbers.get(key) ?? firstNumber + numbers.size;
    numbers.set(key, known);
    return known;
  };
}

const firstNumber = 256;
