// What L7 rules say, and the rule sets that proxies enforce. A rule set is everything that decides about the requests
// of one kind of connection: the proxy's listener that gets the connection enforces exactly that (design decision 8).
import type { Direction } from "@tsilium/datapath/model.ts";

/** A Kubernetes Secret. */
export type SecretRef = { readonly namespace: string; readonly name: string };

/** What becomes of a request whose header is not as wanted. "deny": the rule does not match. */
export type HeaderMismatch = "deny" | "log" | "add" | "delete" | "replace";

export type HeaderMatch = {
  /** Lower case. */
  readonly name: string;
  /** undefined: any, as long as the header is there (or `secret` says). */
  readonly value: string | undefined;
  /** Holds the value: its key named as the header's field says, or its only one. */
  readonly secret: (SecretRef & { readonly key: string | undefined }) | undefined;
  readonly mismatch: HeaderMismatch;
};

/** All that is given must hold; a rule without conditions lets every request through. */
export type HttpRule = {
  /** RE2, of the whole request target after normalisation, query included (as Cilium's `:path`); undefined: any. */
  readonly path: string | undefined;
  /** RE2, of the whole method. */
  readonly method: string | undefined;
  /** RE2, of the whole Host or :authority, lower case, without a port that is the connection's own. */
  readonly host: string | undefined;
  readonly headers: readonly HeaderMatch[];
};

export type KafkaRule = {
  /** API keys (numbers of the protocol); undefined: all. `role` is resolved to these. */
  readonly apiKeys: readonly number[] | undefined;
  readonly apiVersion: number | undefined;
  readonly clientId: string | undefined;
  /** Of requests that name topics, every one must be allowed. */
  readonly topic: string | undefined;
};

/** A DNS name, lower case, without the final dot; or a pattern: `*` within a label, alone any name, `**.` any labels. */
export type DnsRule = { readonly matchName?: string; readonly matchPattern?: string };

/** Which keys of a Secret a TLS connection is made with; undefined: Cilium's defaults (tls.crt, tls.key, ca.crt). */
export type TlsContext = {
  readonly secret: SecretRef;
  readonly trustedCa: string | undefined;
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
};

export type TlsRules = {
  readonly terminating: TlsContext | undefined;
  readonly originating: TlsContext | undefined;
};

/** What a packet that passes at L3 and L4 must go through before it is allowed. An empty list lets nothing through. */
export type L7Rules =
  | {
      readonly protocol: "http";
      readonly rules: readonly HttpRule[];
      readonly tls: TlsRules;
      /** Of the client's TLS handshake, names or patterns; undefined: any. Only with `tls.terminating`. */
      readonly serverNames: readonly string[] | undefined;
    }
  | { readonly protocol: "kafka"; readonly rules: readonly KafkaRule[] }
  | { readonly protocol: "dns"; readonly rules: readonly DnsRule[] }
  /** TLS that is looked at and passed on as it is. */
  | { readonly protocol: "sni"; readonly serverNames: readonly string[] }
  /** Not enforced here: such a rule allows nothing. "auth": mutual authentication. */
  | { readonly protocol: "l7" | "listener" | "auth" };

/** A rule with the number that flows name it by (tsi_policy_rule.rule's numbering). */
export type Numbered<Rule> = { readonly rule: number; readonly match: Rule };

/** What all kinds of rule sets have. Any rule that matches lets a request through. */
type RuleSetBase = {
  /** Whose policy it is of the connection's two ends: decides which engine (ingress or egress) enforces it. */
  readonly direction: Direction;
  /** Nothing is denied: what would be is told as an audit verdict. */
  readonly audit: boolean;
  /** Number of what denies what no rule allows; a RuleName of kind "default-deny". */
  readonly denyRule: number;
};

export type HttpRuleSet = RuleSetBase & {
  readonly kind: "http";
  readonly rules: readonly Numbered<HttpRule>[];
  readonly tls: TlsRules;
  readonly serverNames: readonly string[] | undefined;
};
export type KafkaRuleSet = RuleSetBase & {
  readonly kind: "kafka";
  readonly rules: readonly Numbered<KafkaRule>[];
};
export type DnsRuleSet = RuleSetBase & {
  readonly kind: "dns";
  readonly rules: readonly Numbered<DnsRule>[];
};
export type SniRuleSet = RuleSetBase & {
  readonly kind: "sni";
  readonly rules: readonly Numbered<{ readonly serverName: string }>[];
};

export type RuleSet = HttpRuleSet | KafkaRuleSet | DnsRuleSet | SniRuleSet;
export type RuleSetKind = RuleSet["kind"];
