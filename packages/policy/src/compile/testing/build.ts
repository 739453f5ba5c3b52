// Policies in their normal form, short enough for a test's row.
import { Labels, Prefix } from "@tsilium/net";
import type {
  LabelSelector,
  NamedPort,
  Peer,
  PeerIdentity,
  Policy,
  PolicyKind,
  PolicySettings,
  PolicySpec,
  PortMatch,
  Rule,
  Subject,
} from "../../model.ts";

export const defaults: PolicySettings = {
  enablePolicy: "default",
  allowLocalhost: false,
  cidrMatchMode: [],
  audit: false,
  denyResponse: "drop",
  clusterName: "default",
};

/** "app=web" is k8s:app In [web], "app!=web" NotIn, "app" Exists, "!app" DoesNotExist; "reserved:host" has a source. */
export function selector(...terms: readonly string[]): LabelSelector {
  return terms.map((term) => {
    const [, negated, source, key = "", operator, values = ""] =
      /^(!?)(?:([a-z0-9]+):)?([^=!]+)(!?=)?(.*)$/.exec(term) ?? [];
    const name = { source: source ?? "k8s", key };
    if (operator === undefined)
      return { ...name, operator: negated ? "DoesNotExist" : "Exists", values: [] };
    return { ...name, operator: operator === "=" ? "In" : "NotIn", values: values.split("|") };
  });
}

export function pods(...terms: readonly string[]): Peer {
  return { kind: "labels", selector: selector(...terms) };
}

export function cidr(
  prefix: string,
  options: { readonly except?: readonly string[]; readonly scope?: "any" | "external" } = {},
): Peer {
  const { except = [], scope = "external" } = options;
  return {
    kind: "cidr",
    prefix: Prefix.parse(prefix),
    except: except.map((text) => Prefix.parse(text)),
    scope,
  };
}

const protocols: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** "80", "80/udp", "1000-2000", "web" (a name), "*" (all of TCP), "icmp 8". */
export function ports(...texts: readonly string[]): PortMatch[] {
  return texts.map((text) => {
    if (text.startsWith("icmp ")) return { kind: "icmp", family: 4, type: Number(text.slice(5)) };
    const [port = "", name = "tcp"] = text.split("/");
    const protocol = protocols[name] as number;
    if (port === "*") return { kind: "range", protocol, first: 0, last: 65_535 };
    if (!/^\d/.test(port)) return { kind: "named", protocol, name: port };
    const [first = 0, last = first] = port.split("-").map(Number);
    return { kind: "range", protocol, first, last };
  });
}

type RuleFields = Partial<Pick<Rule, "peers" | "ports" | "l7" | "direction">>;

export const allow = (fields: RuleFields = {}) => ({ verdict: "allow", ...fields }) as const;
export const deny = (fields: RuleFields = {}) => ({ verdict: "deny", ...fields }) as const;
export const pass = (fields: RuleFields = {}) => ({ verdict: "pass", ...fields }) as const;

export type PolicyFields = Partial<Pick<PolicySpec, "tier" | "priority">> &
  Partial<Pick<Policy, "enforcement" | "denyResponse">> & {
    /** Whom it selects; default: everybody. */
    readonly subject?: LabelSelector;
    /** Default: the normal tier does, in the directions that it has rules for. */
    readonly isolates?: boolean;
    readonly kind?: PolicyKind;
  };

/** One spec; rules are of ingress unless they say otherwise, with paths "spec.rules[0]" and so on. */
export function policy(
  name: string,
  rules: readonly ReturnType<typeof allow | typeof deny | typeof pass>[],
  fields: PolicyFields = {},
): Policy {
  const { tier = "normal", priority = 0, subject = [], kind = "CiliumNetworkPolicy" } = fields;
  const { isolates = tier === "normal", enforcement = "enforce", denyResponse } = fields;
  const made = rules.map((rule, index): Rule => {
    const { verdict, direction = "ingress", peers, ports: matches, l7 } = rule;
    const path = `spec.rules[${index}]`;
    return { verdict, direction, peers, ports: matches, path, ...(l7 ? { l7 } : {}) };
  });
  const has = (direction: Rule["direction"]) => made.some((rule) => rule.direction === direction);
  const spec: PolicySpec = {
    path: "spec",
    subject: { kind: "endpoints", selector: subject },
    tier,
    priority,
    defaultDeny: { ingress: isolates && has("ingress"), egress: isolates && has("egress") },
    rules: made,
  };
  const ref = { kind, namespace: "", name };
  return { ref, uid: name, generation: 1, specs: [spec], enforcement, denyResponse };
}

/** "k8s:" is understood where a label says no source. */
export function labels(...texts: readonly string[]): Labels {
  return Labels.parse(texts.map((text) => (text.includes(":") ? text : `k8s:${text}`)));
}

export function identity(
  id: number,
  texts: readonly string[],
  namedPorts: readonly NamedPort[] = [],
): PeerIdentity {
  return { id, labels: labels(...texts), namedPorts };
}

export function subject(
  id: number,
  texts: readonly string[],
  fields: Partial<Pick<Subject, "namedPorts" | "audit">> = {},
): Subject {
  return {
    id,
    identity: 1000 + id,
    labels: labels(...texts),
    namedPorts: [],
    audit: false,
    ...fields,
  };
}
