// `tsilium policy diff`: whose connections would get another verdict if the objects of a file were applied, or deleted.
// Compiled here, from what an agent knows. Exit status 0: nobody's; 2: somebody's; 1: it cannot be told.
import type { Command } from "commander";
import type { ChangeView, EngineChange } from "@tsilium/policy-test";
import { getJson } from "../agent-client.ts";
import type { PolicyState } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import { type FilesOptions, printRendered, requirePolicies, withFiles } from "./policy-validate.ts";

type DiffOptions = FilesOptions & { readonly delete?: true };

const changedStatus = 2;

const help = `
Compares the policy that is in force with what it would be: each of the file's objects in place of the one of its kind,
namespace and name, or, with --delete, without it. Pods and identities are those that the agent knows; audit mode of
single pods and namespaces is known of its own node alone.

Exit status 0: no verdict changes, 2: some do, 1: it cannot be told (no agent, an invalid policy).

Examples:
  tsilium policy diff -f isolate.yaml
  tsilium policy diff -f isolate.yaml --delete -o json`;

export function registerPolicyDiff(policy: Command): void {
  withFiles(withOutput(policy.command("diff")))
    .description("whose connections would get another verdict; exit status 2 when any would")
    .option("--delete", "as if the file's objects were deleted")
    .addHelpText("after", help)
    .action(async (options: DiffOptions, command: Command) => {
      const objects = await readObjects(options);
      const state = await getJson<PolicyState>(agentContext(command).socket, "/v1/policy/state");
      const changes = await diff(state, await changeOf(objects, state, options));
      if (changes.length > 0) process.exitCode = changedStatus;
      if (await printStructured(command, { changes })) return;
      const { diffReport } = await import("./policy-diff-text.ts");
      for (const line of diffReport(changes)) console.log(printable(line));
    });
}

/** Policies and CIDR groups. @throws CommandError unless all are valid */
async function readObjects({ filename }: DiffOptions): Promise<readonly object[]> {
  const [{ readDocuments }, { checkPolicies, isPolicy }, { isGood, renderReport }] =
    await Promise.all([
      import("../policy/documents.ts"),
      import("../policy/check.ts"),
      import("../policy/render.ts"),
    ]);
  const documents = readDocuments(filename);
  const report = checkPolicies(documents);
  requirePolicies(report, filename);
  if (!isGood(report)) {
    printRendered(renderReport(report));
    throw new CommandError("what is not valid would change nothing");
  }
  return documents.flatMap((document) =>
    "value" in document && isPolicy(document.value) ? [document.value as object] : [],
  );
}

async function changeOf(
  objects: readonly object[],
  { settings }: PolicyState,
  options: DiffOptions,
): Promise<EngineChange> {
  const { parseCidrGroup, parsePolicy } = await import("@tsilium/policy");
  const policies = objects.flatMap((object) => {
    const result = parsePolicy(object, settings);
    return result.ok ? [result.policy] : [];
  });
  const cidrGroups = objects.flatMap((object) => {
    const result = parseCidrGroup(object);
    return result.ok ? [result.group] : [];
  });
  if (!options.delete) return { policies, cidrGroups };
  return {
    removedPolicies: policies.map(({ ref }) => ref),
    removedCidrGroups: cidrGroups.map(({ name }) => name),
  };
}

async function diff(state: PolicyState, change: EngineChange): Promise<ChangeView[]> {
  const [{ changeViews, diffEngines, Engine }, { engineInput, engineSettingsOf, podsByIdentity }] =
    await Promise.all([import("@tsilium/policy-test"), import("./policy-state.ts")]);
  const settings = engineSettingsOf(state);
  const input = engineInput(state);
  const engines = { before: new Engine(input, settings), after: new Engine(input, settings) };
  engines.after.change(change);
  const subjects = new Map(input.subjects.map(({ id, identity }) => [identity, id]));
  const labels = new Map(state.identities.map((identity) => [identity.id, identity.labels]));
  const pods = podsByIdentity(state);
  return changeViews(
    diffEngines(engines, (identity) => subjects.get(identity)),
    engines,
    {
      labelsOf: (identity) => labels.get(identity) ?? [],
      podsOf: (identity) => pods.get(identity) ?? [],
    },
  );
}
