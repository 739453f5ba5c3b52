// Listeners in an engine's or a proxy's own status.
import type { ListenerProblem, ListenerRules, ProxyStatus } from "./model.ts";

export function listenerRows(
  listeners: Iterable<ListenerRules>,
  problems: readonly ListenerProblem[] = [],
): ProxyStatus["listeners"] {
  const reasons = new Map(problems.map(({ port, reason }) => [port, reason]));
  return Array.from(listeners, ({ port, version, ruleSet }) => {
    const problem = reasons.get(port);
    const { kind, rules } = ruleSet;
    const row = { port, kind, rules: rules.length, version };
    return problem === undefined ? row : { ...row, problem };
  });
}
