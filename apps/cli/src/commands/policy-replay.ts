// `tsilium policy diff --since ...`: recorded flows put to the policies that are in force and to those that would be.
import type { Command } from "commander";
import type { ExplainQuestion } from "@tsilium/policy";
import type { EngineChange } from "@tsilium/policy-test";
import type { PolicyState } from "../api.ts";
import { printable, printStructured } from "../output.ts";
import type { FlowSource } from "../policy/recorded-flows.ts";

/** Prints whose verdict would change, and answers how many kinds of connections. @throws CommandError */
export async function replayDiff(
  command: Command,
  state: PolicyState,
  { change, source }: { readonly change: EngineChange; readonly source: FlowSource },
): Promise<number> {
  const [
    { readFlows },
    { judge, replay, SeenConnections },
    { Engine },
    { engineInput, engineSettingsOf },
    { labeller },
    { replayLines, replayView },
  ] = await Promise.all([
    import("../policy/recorded-flows.ts"),
    import("@tsilium/policy/replay/index.ts"),
    import("@tsilium/policy-test"),
    import("./policy-state.ts"),
    import("./policy-fqdn.ts"),
    import("./policy-replay-text.ts"),
  ]);
  const seen = new SeenConnections();
  const recorded = await readFlows(source, namespacesOf(change), (flow) => seen.add(flow));
  const settings = engineSettingsOf(state);
  const input = engineInput(state);
  const labelled = labeller(change.policies ?? []);
  const identities = input.identities.map((one) => ({ ...one, labels: labelled(one.labels) }));
  const before = new Engine({ ...input, identities }, settings);
  const after = new Engine({ ...input, identities }, settings);
  after.change(change);
  // Of identities that are gone, the labels that the flow has.
  const named = ({ from, to, ...rest }: ExplainQuestion) => ({
    from: { ...from, labels: labelled(from.labels) },
    to: { ...to, labels: labelled(to.labels) },
    ...rest,
  });
  const rules = {
    policies: [...input.policies, ...(change.policies ?? [])],
    cidrGroups: [...input.cidrGroups, ...(change.cidrGroups ?? [])],
    services: input.services,
  };
  const numbers = new Map(input.identities.map(({ id, labels }) => [labels.key, id]));
  const report = replay(
    seen.connections(),
    {
      before: judge((question) => before.explain(named(question)), rules),
      after: judge((question) => after.explain(named(question)), rules),
    },
    { identityOf: ({ key }) => numbers.get(key) },
  );
  const told = {
    ...report,
    flows: seen.flows,
    leftOutFlows: seen.leftOutFlows,
    ...recorded,
    requestsLeftOut: looksIntoRequests(change),
  };
  if (!(await printStructured(command, replayView(told))))
    for (const line of replayLines(told)) console.log(printable(line));
  return report.changes.length;
}

/** Whether a policy that it brings has rules at L7. */
function looksIntoRequests({ policies = [] }: EngineChange): boolean {
  return policies.some(({ specs }) =>
    specs.some(({ rules }) => rules.some(({ l7 }) => l7 !== undefined)),
  );
}

/** Whose pods these policies can be about; undefined: everybody's. */
function namespacesOf(change: EngineChange): readonly string[] | undefined {
  const refs = [
    ...(change.policies ?? []).map(({ ref }) => ref),
    ...(change.removedPolicies ?? []),
  ];
  const groups = [...(change.cidrGroups ?? []), ...(change.removedCidrGroups ?? [])];
  const isWide = groups.length > 0 || refs.some(({ namespace }) => namespace === "");
  return isWide ? undefined : [...new Set(refs.map(({ namespace }) => namespace))];
}
