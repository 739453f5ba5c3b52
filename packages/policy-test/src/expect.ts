// Assertions about connections. They throw AssertionErrors, so any test runner shows them; what they say is the
// explanation.
import { AssertionError } from "node:assert";
import { describe } from "./describe.ts";
import { requestName } from "./l7/request.ts";
import { outcomes } from "./outcomes.ts";
import type { RuleView, Verdict } from "./explanation.ts";
import { type Connection, type ConnectionOptions, type Outcome, Peer } from "./model.ts";

/** An object that is expected to decide; what is left out may be anything. */
export type ExpectedRule = {
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string;
};

export type PeerExpectation = {
  /** Packets arrive, and answers come back, in every family that both ends have. */
  toReach(peer: Peer, port: number | string, options?: ConnectionOptions): Promise<void>;
  readonly not: {
    /** No packet arrives, in any family. */
    toReach(peer: Peer, port: number | string, options?: ConnectionOptions): Promise<void>;
  };
};

export type ConnectionExpectation = {
  /** No policy has anything against it, not even one in audit mode. */
  toBeAllowed(): Promise<void>;
  toBeDenied(): Promise<void>;
  /** Packets arrive, and a verdict tells that a policy in audit mode would deny them. */
  toBeAudited(): Promise<void>;
  /** Allowed, by a rule of this object in one direction or the other. */
  toBeAllowedBy(rule: ExpectedRule): Promise<void>;
  /** Denied (or audited), by a rule of this object or by the default deny that it causes. */
  toBeDeniedBy(rule: ExpectedRule): Promise<void>;
};

/** What is expected of a pod (or of the world, or a node) that opens connections, or of one connection. */
export function expect(subject: Peer): PeerExpectation;
export function expect(subject: Connection): ConnectionExpectation;
export function expect(subject: Peer | Connection): PeerExpectation | ConnectionExpectation {
  return subject instanceof Peer ? peerExpectation(subject) : connectionExpectation(subject);
}

function peerExpectation(from: Peer): PeerExpectation {
  const reach =
    (wanted: "reached" | "not reached") =>
    (to: Peer, port: number | string, options: ConnectionOptions = {}) =>
      check(from.to(to, port, options), {
        expected: `${from} to ${wanted === "reached" ? "reach" : "not reach"} ${to} on ${port}${withRequest(options)}`,
        holds: ({ verdict }) => (verdict === "denied") === (wanted === "not reached"),
      });
  return { toReach: reach("reached"), not: { toReach: reach("not reached") } };
}

function connectionExpectation(connection: Connection): ConnectionExpectation {
  return {
    toBeAllowed: () => expectVerdict(connection, "allowed", undefined),
    toBeDenied: () => expectVerdict(connection, "denied", undefined),
    toBeAudited: () => expectVerdict(connection, "audit", undefined),
    toBeAllowedBy: (rule) => expectVerdict(connection, "allowed", rule),
    toBeDeniedBy: (rule) =>
      check(connection, {
        expected: `${nameOf(connection)} to be denied by ${wantedName(rule)}`,
        holds: (outcome) => outcome.verdict !== "allowed" && deciders(outcome).some(isLike(rule)),
      }),
  };
}

/** One look at a connection: its verdict and, if it is said, whose. @throws AssertionError */
export function expectVerdict(
  connection: Connection,
  verdict: Verdict,
  by: ExpectedRule | undefined,
): Promise<void> {
  const whose = by === undefined ? "" : ` by ${wantedName(by)}`;
  return check(connection, {
    expected: `${nameOf(connection)} to be ${words[verdict]}${whose}`,
    holds: (outcome) =>
      outcome.verdict === verdict && (by === undefined || deciders(outcome).some(isLike(by))),
  });
}

function withRequest(options: ConnectionOptions): string {
  const request = requestName(options);
  return request === undefined ? "" : ` with ${request}`;
}

const words = {
  allowed: "allowed",
  denied: "denied",
  audit: "let through, audited,",
} as const;

function nameOf({ from, to, port, options }: Connection): string {
  const request = requestName(options);
  return `${from} -> ${to} ${port}${request === undefined ? "" : ` ${request}`}`;
}

type Check = {
  /** "shop/frontend to reach shop/backend on 80" */
  readonly expected: string;
  readonly holds: (outcome: Outcome) => boolean;
};

/** @throws AssertionError for the first family that is not as expected */
async function check(connection: Connection, { expected, holds }: Check): Promise<void> {
  for (const outcome of await outcomes(connection)) {
    if (holds(outcome)) continue;
    throw new AssertionError({
      message: `expected ${expected} (IPv${outcome.family}${observed(outcome)})\n\n${reasons(connection, outcome)}`,
      actual: outcome.verdict,
      expected,
      operator: "expect",
      stackStartFn: check,
    });
  }
}

function observed({ observed: packets }: Outcome): string {
  return packets === undefined ? "" : `, packets: ${packets}`;
}

function reasons({ from, to, port, options }: Connection, { explanation }: Outcome): string {
  const { knowledge } = from.cluster;
  const request = requestName(options);
  const [fromEnd, toEnd] = [knowledge.endOf(from.party), knowledge.endOf(to.party)];
  return describe({
    question: {
      from: String(from),
      to: String(to),
      port: String(port),
      ...(request === undefined ? {} : { request }),
    },
    explanation,
    objectOf: (rule) => knowledge.objectOf(rule),
    fileOf: (rule) => knowledge.fileOf(rule),
    ...(fromEnd && toEnd ? { ends: { from: fromEnd, to: toEnd } } : {}),
  });
}

/** What decided in the directions that have the whole's verdict. */
function deciders({ verdict, explanation: { egress, ingress } }: Outcome): RuleView[] {
  return [egress, ingress]
    .filter((view) => view.verdict === verdict)
    .flatMap(({ rules, defaultDenyBy }) => [...rules, ...defaultDenyBy]);
}

function isLike(wanted: ExpectedRule): (rule: RuleView) => boolean {
  const fields = ["kind", "namespace", "name", "path"] as const;
  return (rule) =>
    fields.every((field) => wanted[field] === undefined || wanted[field] === rule[field]);
}

function wantedName({ kind = "a policy", namespace = "", name = "", path }: ExpectedRule): string {
  const object = namespace === "" ? name : `${namespace}/${name}`;
  return [kind, object, path].filter(Boolean).join(" ");
}
