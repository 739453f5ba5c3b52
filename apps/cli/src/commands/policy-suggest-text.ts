// What `tsilium policy suggest` says besides the policies, for people and for programs. Pure.
import type { Proof, SeenConnection } from "@tsilium/policy/replay/index.ts";
import { portText, type Suggestion } from "@tsilium/policy/suggest/index.ts";
import { counted, endName } from "./policy-replay-text.ts";

export type SuggestionTold = Suggestion & {
  readonly proof: Proof;
  /** That were read. */
  readonly flows: number;
  /** Flows of connections beyond those that are kept apart. */
  readonly leftOut: number;
};

const mostShown = 10;

/** For standard error. */
export function suggestionNotes({
  policies,
  connections,
  unnameable,
  proof,
  flows,
  leftOut,
}: SuggestionTold): string[] {
  const allowed = connections.length - proof.missing.length;
  return [
    ...proof.invalid.flatMap(({ policy, problems }) =>
      problems.map(({ path, message }) => `${policy.metadata.name}: ${path}: ${message}`),
    ),
    ...listed("denied by them, though it was let through", without(proof.missing, unnameable)),
    ...listed("not to be named in a rule of this kind, and so denied", unnameable),
    ...listed("let through by them, though it was denied: no rule tells it apart", proof.extra),
    ...(leftOut > 0 ? [`${leftOut} flows left out: of too many connections`] : []),
    `${counted(policies.length, "policy", "policies")} from ${counted(connections.length, "connection")} (${counted(flows, "flow")}): ${allowed} as seen${
      proof.extra.length > 0 ? `, but ${proof.extra.length}` : ""
    }`,
  ];
}

function without(
  connections: readonly SeenConnection[],
  others: readonly SeenConnection[],
): readonly SeenConnection[] {
  const left = new Set(others);
  return connections.filter((connection) => !left.has(connection));
}

function listed(what: string, connections: readonly SeenConnection[]): string[] {
  if (connections.length === 0) return [];
  const rest = connections.length - mostShown;
  return [
    `${what}:`,
    ...connections.slice(0, mostShown).map((connection) => `    ${connectionText(connection)}`),
    ...(rest > 0 ? [`    and ${rest} more`] : []),
  ];
}

export function connectionText({ from, to, port }: SeenConnection): string {
  return `${endName(from)} -> ${endName(to)}  ${portText(port)}`;
}

/** For -o json. */
export function suggestionView(told: SuggestionTold): object {
  const { policies, connections, unnameable, proof, flows } = told;
  const views = (some: readonly SeenConnection[]) => some.map(connectionView);
  return {
    policies,
    flows,
    connections: connections.length,
    unnameable: views(unnameable),
    proof: {
      invalid: proof.invalid,
      missing: views(proof.missing),
      extra: views(proof.extra),
    },
  };
}

function connectionView(connection: SeenConnection): object {
  const { from, to, port, outcome, forwarded, audited, denied } = connection;
  return {
    from: endName(from),
    to: endName(to),
    port: portText(port),
    outcome,
    forwarded,
    audited,
    denied,
  };
}
