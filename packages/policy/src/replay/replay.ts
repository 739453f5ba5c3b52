// Connections that were seen, put to policy again: as it is, and as it would be.
import { Address, type Labels } from "@tsilium/net";
import type {
  EndPoint,
  ExplainedRule,
  ExplainedVerdict,
  Explanation,
  ExplainQuestion,
} from "../compile/explain.ts";
import { numbersOf, portText } from "../suggest/port.ts";
import { type Judge, remembering } from "./judge.ts";
import type { SeenConnection, SeenEnd } from "./seen-connection.ts";

export type ReplayOptions = {
  /** The number by which the compiler knows who has these labels now; undefined: nobody has. */
  readonly identityOf?: (labels: Labels) => number | undefined;
};

/** Connections of the same kind whose verdict is another one. */
export type ReplayChange = {
  readonly before: ExplainedVerdict;
  readonly after: ExplainedVerdict;
  /** What decides then: rules, or the policies that isolate. */
  readonly by: readonly ExplainedRule[];
  /** All of the same parties and port. */
  readonly connections: readonly SeenConnection[];
  /** Flows of theirs that were recorded. */
  readonly flows: number;
};

export type ReplayReport = {
  readonly changes: readonly ReplayChange[];
  /** Connections that were judged. */
  readonly connections: number;
  /** Those of them that became of otherwise than present policy would have it: policy or pods changed since. */
  readonly recordedOtherwise: number;
};

/** Whose verdict would change. */
export function replay(
  connections: readonly SeenConnection[],
  judges: { readonly before: Judge; readonly after: Judge },
  options: ReplayOptions = {},
): ReplayReport {
  const changes = new Map<string, Change>();
  const before = remembering(judges.before);
  const after = remembering(judges.after);
  let recordedOtherwise = 0;
  for (const connection of connections) {
    const question = questionOf(connection, options);
    const present = before(question);
    const planned = after(question);
    if ((present.verdict === "denied") !== (connection.outcome === "denied")) recordedOtherwise++;
    if (present.verdict !== planned.verdict) note(changes, connection, { present, planned });
  }
  return {
    changes: [...changes.values()].map(finished).toSorted(mostFlowsFirst),
    connections: connections.length,
    recordedOtherwise,
  };
}

type Change = Omit<ReplayChange, "connections" | "flows" | "by"> & {
  readonly connections: SeenConnection[];
  readonly by: Map<string, ExplainedRule>;
};

function note(
  changes: Map<string, Change>,
  connection: SeenConnection,
  { present, planned }: { readonly present: Explanation; readonly planned: Explanation },
): void {
  const { from, to, port } = connection;
  const parties = `${from.key}|${to.key}|${portText(port)}`;
  const key = `${parties}|${present.verdict}|${planned.verdict}`;
  let change = changes.get(key);
  if (change === undefined) {
    change = { before: present.verdict, after: planned.verdict, by: new Map(), connections: [] };
    changes.set(key, change);
  }
  change.connections.push(connection);
  for (const rule of decidersOf(planned))
    change.by.set(`${rule.kind}/${rule.namespace}/${rule.name}/${rule.path}`, rule);
}

/** Of the sides that have the connection's verdict. */
function decidersOf({ verdict, egress, ingress }: Explanation): ExplainedRule[] {
  return [egress, ingress]
    .filter((side) => side.verdict === verdict)
    .flatMap(({ rules, defaultDenyBy }) => [...rules, ...defaultDenyBy]);
}

function finished({ by, connections, ...verdicts }: Change): ReplayChange {
  const flows = connections.reduce((sum, { forwarded, denied }) => sum + forwarded + denied, 0);
  return { ...verdicts, by: [...by.values()], connections, flows };
}

function mostFlowsFirst(a: ReplayChange, b: ReplayChange): number {
  return b.flows - a.flows;
}

/** What a compiler is asked; of addresses that are not kept apart, the example's. */
export function questionOf(
  { from, to, port, example }: SeenConnection,
  { identityOf }: ReplayOptions = {},
): ExplainQuestion {
  return {
    from: endPointOf(from, example.ip?.source, identityOf),
    to: endPointOf(to, example.ip?.destination, identityOf),
    ...numbersOf(port),
  };
}

function endPointOf(
  { endpoint, labels, address: own }: SeenEnd,
  ofExample: string | undefined,
  identityOf: ReplayOptions["identityOf"],
): EndPoint {
  const address = Address.tryParse(own || ofExample || "");
  return {
    identity: identityOf?.(labels) ?? endpoint.identity,
    labels,
    ...(address === undefined ? {} : { address }),
  };
}
