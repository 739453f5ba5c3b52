// `tsilium policy get|selectors`: the policy objects that an agent knows, and whom their selectors match.
import type { Command } from "commander";
import { getJson } from "../agent-client.ts";
import type { PolicyObjectView, PolicyState, SelectorView } from "../api.ts";
import { agentContext } from "../context.ts";
import { type Column, printRows, withOutput } from "../output.ts";

export function registerPolicyGet(policy: Command): void {
  withOutput(
    policy.command("get").description("policy objects: whether they count, and whom they select"),
  )
    .addHelpText(
      "after",
      "\nExamples:\n  tsilium policy get\n  tsilium --node node-2 policy get -o json",
    )
    .action(async (_options, command: Command) => {
      const { socket } = agentContext(command);
      const [objects, state] = await Promise.all([
        getJson<PolicyObjectView[]>(socket, "/v1/policy"),
        getJson<PolicyState>(socket, "/v1/policy/state"),
      ]);
      const selected = await selectedPods(state);
      const rows = objects.map((object) => ({
        ...object,
        selects: selected.get(`${object.kind}/${object.namespace}/${object.name}`) ?? [],
      }));
      await printRows(command, rows, columns);
    });
  withOutput(
    policy.command("selectors").description("whom the selectors match that policies here name"),
  ).action(async (_options, command: Command) => {
    const rows = await getJson<SelectorView[]>(
      agentContext(command).socket,
      "/v1/policy/selectors",
    );
    await printRows(command, rows, selectorColumns);
  });
}

type Row = PolicyObjectView & { readonly selects: readonly string[] };

const columns: readonly Column<Row>[] = [
  ["KIND", (row) => row.kind],
  ["NAMESPACE", (row) => row.namespace || "-"],
  ["NAME", (row) => row.name],
  ["REVISION", (row) => row.revision],
  ["VALID", (row) => (row.valid ? "true" : "false")],
  ["SELECTS", (row) => countOf(row.selects)],
  ["REMARK", (row) => remarkOf(row)],
];

const selectorColumns: readonly Column<SelectorView>[] = [
  ["SELECTOR", (row) => row.selector],
  ["IDENTITIES", (row) => row.identities],
  ["SLOTS", (row) => row.slots],
];

const mostShown = 3;

function countOf(pods: readonly string[]): string {
  if (pods.length === 0) return "-";
  const rest = pods.length - mostShown;
  return `${pods.slice(0, mostShown).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** What makes it invalid, else the first warning; `-o json` has all of them. */
function remarkOf({ problems, warnings, generation, enforcedGeneration }: Row): string {
  const found = problems.length > 0 ? problems : warnings;
  const [first] = found;
  if (!first) return "";
  const more = found.length > 1 ? ` (and ${found.length - 1} more: -o json)` : "";
  const instead =
    problems.length === 0 || enforcedGeneration === undefined
      ? ""
      : ` (generation ${enforcedGeneration} of ${generation} counts)`;
  return `${first.path}: ${first.message}${more}${instead}`;
}

/** Pods of the whole cluster, by what selects them. */
async function selectedPods(state: PolicyState): Promise<ReadonlyMap<string, readonly string[]>> {
  const [{ Labels }, { parsePolicy, refKey, selects }, { podsByIdentity }] = await Promise.all([
    import("@tsilium/net"),
    import("@tsilium/policy"),
    import("./policy-state.ts"),
  ]);
  const pods = podsByIdentity(state);
  const identities = state.identities.map(({ id, labels }) => ({
    id,
    labels: Labels.parse(labels),
  }));
  const found = state.policies.flatMap((object) => {
    const result = parsePolicy(object, state.settings);
    if (!result.ok) return [];
    const selectors = result.policy.specs
      .filter(({ subject }) => subject.kind === "endpoints")
      .map(({ subject }) => subject.selector);
    const names = identities
      .filter(({ labels }) => selectors.some((selector) => selects(selector, labels)))
      .flatMap(({ id }) => pods.get(id) ?? []);
    return [[refKey(result.policy.ref), names.toSorted()] as const];
  });
  return new Map(found);
}
