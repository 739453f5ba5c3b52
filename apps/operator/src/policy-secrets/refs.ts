// Which Secrets a policy names. Of an invalid policy, of which nothing is enforced, none.
import { parsePolicy, type L7Rules, type ParseOptions, type SecretRef } from "@tsilium/policy";
import { secretKey } from "./model.ts";

/** Every Secret that the policy names, once; one without a namespace is of the policy's own. */
export function secretsOf(policy: unknown, options: ParseOptions): readonly SecretRef[] {
  const result = parsePolicy(policy, options);
  if (!result.ok) return [];
  const refs = result.policy.specs.flatMap(({ rules }) => rules.flatMap(({ l7 }) => namedBy(l7)));
  return [...new Map(refs.map((ref) => [secretKey(ref), ref])).values()];
}

function namedBy(l7: L7Rules | undefined): SecretRef[] {
  if (l7?.protocol !== "http") return [];
  const { terminating, originating } = l7.tls;
  const named = [
    terminating?.secret,
    originating?.secret,
    ...l7.rules.flatMap(({ headers }) => headers.map(({ secret }) => secret)),
  ];
  return named.flatMap((ref) => (ref ? [{ namespace: ref.namespace, name: ref.name }] : []));
}
