// What the agent and its proxies say to each other. Proxies are processes of their own that outlive the agent: what
// they enforce they keep on disk, and what they learnt meanwhile they tell when it is back.
//
//   policy worker --rule set, port--> agent --ToProxy--> proxy (dns, kafka) or engine (http, sni)
//                                       ^---FromProxy---'
import type { Layer7 } from "@tsilium/hubble/model.ts";
import type { Direction, RuleSet, RuleSetKind } from "@tsilium/policy/model.ts";

/**
 * Listeners wait on 127.0.0.1 and ::1 (IP_TRANSPARENT; packets get there by socket assignment alone). Ports of listeners
 * say whose they are, so that the two engines never share one. First and last port, host byte order.
 *
 * 10248 to 10259 are Kubernetes' own on every node, and waited on by its programs: health of the kubelet (10248) and of
 * kube-proxy (10256), the kubelet (10250, 10255), the controller manager (10257), the scheduler (10259). What follows up
 * to 10511 is not used.
 */
export const listenerPorts = {
  egress: {
    http: { first: 10_000, last: 10_247 },
    sni: { first: 10_512, last: 10_639 },
    dns: { first: 10_640, last: 10_895 },
    kafka: { first: 10_896, last: 11_007 },
  },
  ingress: {
    http: { first: 11_008, last: 11_519 },
    sni: { first: 11_520, last: 11_647 },
    dns: { first: 11_648, last: 11_648 },
    kafka: { first: 11_649, last: 11_776 },
  },
} as const satisfies Record<Direction, Record<RuleSetKind, { first: number; last: number }>>;

/** Source ports of proxies' connections to servers, given by the hooks of their cgroups (bpf/proxy.bpf.c). */
export const upstreamPorts = { first: 16_384, last: 32_767 } as const;

/** A listener and what it enforces. */
export type ListenerRules = {
  /** Host byte order; of `listenerPorts`. */
  readonly port: number;
  /** Grows with each change of this listener's rules, for people and acknowledgements. */
  readonly version: number;
  readonly ruleSet: RuleSet;
};

/** What a connection that was accepted under one rule set is held to from its next request on. */
export type MovedConnection = {
  readonly protocol: number;
  /** The opening side. Addresses as text, ports in host byte order. */
  readonly client: { readonly address: string; readonly port: number };
  /** Whom the client asked. */
  readonly server: { readonly address: string; readonly port: number };
  /** Listener that accepted it. */
  readonly from: number;
  /** Listener whose rules hold now; 0: no rules, everything is let through; the same as `from`: back to its own. */
  readonly to: number;
};

/** One JSON object a line, over a unix socket. */
export type ToProxy =
  /** `whole`: nothing else than these listeners; otherwise these are added or changed, and `removed` go. */
  | {
      readonly kind: "apply";
      readonly sequence: number;
      readonly whole: boolean;
      readonly listeners: readonly ListenerRules[];
      readonly removed: readonly number[];
    }
  | {
      readonly kind: "move";
      readonly sequence: number;
      readonly connections: readonly MovedConnection[];
    }
  /** Addresses of these answers (`resolved`) are in the kernel, or will never be: the answers may go. */
  | { readonly kind: "release"; readonly ids: readonly number[] }
  /** The agent has let go of addresses before their time: answers are all told (and held) as if they were new. */
  | { readonly kind: "forget-names" }
  | { readonly kind: "status" }
  | { readonly kind: "stop" };

export type FromProxy =
  | {
      readonly kind: "hello";
      readonly version: string;
      readonly pid: number;
      readonly listeners: readonly number[];
    }
  /** Everything up to this sequence number is in force; `problems` names listeners that are not. */
  | {
      readonly kind: "applied";
      readonly sequence: number;
      readonly problems: readonly ListenerProblem[];
    }
  | {
      readonly kind: "records";
      readonly records: readonly ProxyRecord[];
      /** How many more there were since the last ones told, that could not be kept until told. */
      readonly lost?: number;
    }
  | { readonly kind: "resolved"; readonly answers: readonly ResolvedName[] }
  | { readonly kind: "status"; readonly status: ProxyStatus };

export type ListenerProblem = { readonly port: number; readonly reason: string };

/** What a name was told to be: from an answer to a question that policy let through. */
export type ResolvedName = {
  /** Of the answer that waits for `release`; 0: none waits, it was sent already. */
  readonly id: number;
  /** Who asked, as text. */
  readonly client: string;
  /** As asked, lower case, without the final dot. */
  readonly name: string;
  /** CNAMEs that were followed, in order; lower case. */
  readonly aliases: readonly string[];
  readonly addresses: readonly { readonly address: string; readonly ttlS: number }[];
  /** When the answer came, UNIX milliseconds. */
  readonly atMs: number;
};

/** A request or answer, as the proxy saw it. The agent adds whose endpoint it is. */
export type ProxyRecord = {
  /** UNIX time, nanoseconds, as text (JSON has no bigint). */
  readonly timeNs: string;
  /** Listener that accepted the connection. */
  readonly port: number;
  readonly direction: Direction;
  /** IP protocol. */
  readonly protocol: number;
  /** The opening side of the connection, and whom it asked (also of an answer's record). */
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  readonly verdict: "forwarded" | "denied" | "error" | "audit";
  /** Numbered<Rule>.rule of what decided, or the rule set's denyRule; 0: none. */
  readonly rule: number;
  /** Request or response: `l7.type`. */
  readonly l7: Layer7;
};

/** How an engine or proxy is doing, for `status`. */
export type ProxyStatus = {
  /** "haproxy 2.6.12", "tsilium-dns 0.1.0". */
  readonly engine: string;
  readonly pid: number;
  readonly listeners: readonly {
    readonly port: number;
    readonly kind: RuleSetKind;
    readonly rules: number;
    /** Acknowledged. */
    readonly version: number;
    /** Why it lets nothing through. */
    readonly problem?: string;
  }[];
  readonly connections: number;
  readonly requests: {
    readonly forwarded: number;
    readonly denied: number;
    readonly errors: number;
  };
  /** Whatever else it counts since its start, by name ("malformedQueries"). */
  readonly counters?: Readonly<Record<string, number>>;
  /** Sentences for people: what is not as it should be, or cannot be told. */
  readonly notes?: readonly string[];
};

/**
 * Something that enforces http and sni rule sets for one direction: HAProxy (default) or Envoy. It owns its process, if
 * any; all of its methods may be called again after a failure, and what was in force stays so until they succeed.
 */
export type L7Engine = AsyncDisposable & {
  readonly direction: Direction;
  /** Adopts a running process or starts one; resolves when every listener of its pool accepts. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves when the rules hold for every next request. Problems are of single listeners, which let nothing through. */
  apply(update: Extract<ToProxy, { kind: "apply" }>): Promise<readonly ListenerProblem[]>;
  move(connections: readonly MovedConnection[]): Promise<void>;
  status(): Promise<ProxyStatus>;
};

/** Contents of Secrets by "namespace/name" -> key -> bytes as base64. Never logged, never in a status. */
export type SecretStore = {
  get(namespace: string, name: string): Readonly<Record<string, string>> | undefined;
  /** Why `get` knows nothing of it ("is not there"), for after the secret's name; undefined: nothing more to say. */
  reason?(namespace: string, name: string): string | undefined;
  /** Called whenever a secret that was asked for changed. Returns what ends it. */
  onChange(listener: (namespace: string, name: string) => void): () => void;
};
