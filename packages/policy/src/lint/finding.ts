// What lint knows, and what it says.
import type { Label, Labels } from "@tsilium/net";
import type { Policy, PolicyRef, PolicySpec, Rule } from "../model.ts";

export type FindingCode =
  /** Nobody is selected, or nobody can be. */
  | "selects-nothing"
  /** A peer's selector fits nobody that there is. */
  | "peer-selects-nothing"
  /** A selector names a label that is not part of identities. */
  | "label-ignored"
  /** A rule matches nobody: `{}`, or an empty list of peers. */
  | "matches-nobody"
  /** A rule matches no port: an empty list of ports. */
  | "matches-no-port"
  /** Neither rules nor isolation. */
  | "no-effect"
  /** A deny rule covers all that a rule allows. */
  | "shadowed-by-deny"
  /** A rule without L7 allows what a rule with L7 would look into. */
  | "l7-shadowed"
  /** In a tier whose first match decides, a rule before this one matches all that it matches. */
  | "never-reached"
  /** Names of hosts are learnt from DNS answers, and no rule has them looked at. */
  | "fqdn-without-dns"
  /** A rule with L7 that lists nothing to let through. */
  | "matches-no-request"
  /** On one port, rules of more than one protocol: only the first holds. */
  | "l7-conflict"
  /** Something that is not built: the rule allows nothing. */
  | "not-enforced"
  /** A host policy, which nothing enforces yet. */
  | "host-policy"
  /** Another policy says the same. */
  | "duplicate"
  /** The policy denies nothing: it is in audit mode. */
  | "audit";

/** Something legal that its author may not have meant. */
export type Finding = {
  readonly ref: PolicyRef;
  /** As in `Rule.path`; "" for the object. */
  readonly path: string;
  readonly code: FindingCode;
  readonly message: string;
};

/** What there is in a cluster. Each part is optional: what is not told is not judged by. */
export type LintWorld = {
  /** Identity labels of the endpoints there are. */
  readonly endpoints?: readonly Labels[];
  /** Whether a label of a pod is part of its identity (`labelFilter` of @tsilium/identity). */
  readonly countsForIdentity?: (label: Label) => boolean;
};

/** A spec with the object that it stands in. */
export type PlacedSpec = { readonly policy: Policy; readonly spec: PolicySpec };
export type PlacedRule = PlacedSpec & { readonly rule: Rule };

export function finding(
  { policy }: { readonly policy: Policy },
  path: string,
  code: FindingCode,
  message: string,
): Finding {
  return { ref: policy.ref, path, code, message };
}

/** "CiliumNetworkPolicy shop/allow-web spec.ingress[0]". */
export function placeName({ policy: { ref }, rule }: PlacedRule): string {
  return `${objectName(ref)} ${rule.path}`;
}

export function objectName({ kind, namespace, name }: PolicyRef): string {
  return namespace === "" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}
