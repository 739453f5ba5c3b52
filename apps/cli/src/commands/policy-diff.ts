// `tsilium policy diff`: whose connections would get another verdict if the objects of a file were applied, or deleted: of
// all that there could be, or of those that were recorded. Compiled here, from what an agent knows.
// Exit status 0: nobody's; 2: somebody's; 1: it cannot be told.
import type { Command } from "commander";
import type { PolicyRef } from "@tsilium/policy/model.ts";
import type { ChangeView, EngineChange } from "@tsilium/policy-test";
import { getJson } from "../agent-client.ts";
import type { PolicyState } from "../api.ts";
import { agentContext } from "../context.ts";
import { CommandError } from "../failure.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import { type FlowSource, hasFlowSource, withFlowSource } from "../policy/recorded-flows.ts";
import { printRendered, requirePolicies } from "./policy-validate.ts";

type DiffOptions = FlowSource & {
  readonly filename: readonly string[];
  readonly delete?: true;
  readonly remove: readonly string[];
};

const changedStatus = 2;

const help = `
Compares the policy that is in force with what it would be: each of the file's objects in place of the one of its kind,
namespace and name, or, with --delete, without it; and without those that --remove names. Pods and identities are those
that the agent knows; audit mode of single pods and namespaces is known of its own node alone.

With --since, --until or --flows not everything that could happen is compared, but what did: recorded flows are put to
both policies, and connections whose verdict would be another are listed, with how often they were seen.

Exit status 0: no verdict changes, 2: some do, 1: it cannot be told (no agent, an invalid policy).

Examples:
  tsilium policy diff -f isolate.yaml
  tsilium policy diff -f isolate.yaml --delete -o json
  tsilium policy diff -f isolate.yaml --since 24h
  tsilium policy diff --remove NetworkPolicy/shop/web --since 1h
  hubble observe --since 1h -o jsonpb | tsilium policy diff -f isolate.yaml --flows -`;

export function registerPolicyDiff(policy: Command): void {
  withFlowSource(withOutput(policy.command("diff")))
    .description("whose connections would get another verdict; exit status 2 when any would")
    .option("-f, --filename <file>", fileHelp, collected, [])
    .option("--delete", "as if the file's objects were deleted")
    .option(
      "--remove <policy>",
      "as if KIND/NAMESPACE/NAME were deleted (repeatable)",
      collected,
      [],
    )
    .addHelpText("after", help)
    .action(async (options: DiffOptions, command: Command) => {
      const objects = await readObjects(options);
      const state = await getJson<PolicyState>(agentContext(command).socket, "/v1/policy/state");
      const change = await changeOf(objects, state, options);
      const changes = hasFlowSource(options)
        ? await replayed(command, state, { change, source: options })
        : await compared(command, state, change);
      if (changes > 0) process.exitCode = changedStatus;
    });
}

const fileHelp = "file, or folder of files, with YAML or JSON documents; - for stdin (repeatable)";

function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function compared(
  command: Command,
  state: PolicyState,
  change: EngineChange,
): Promise<number> {
  const changes = await diff(state, change);
  if (await printStructured(command, { changes })) return changes.length;
  const { diffReport } = await import("./policy-diff-text.ts");
  for (const line of diffReport(changes)) console.log(printable(line));
  return changes.length;
}

async function replayed(
  ...[command, state, what]: Parameters<(typeof import("./policy-replay.ts"))["replayDiff"]>
): Promise<number> {
  const { replayDiff } = await import("./policy-replay.ts");
  return replayDiff(command, state, what);
}

/** Policies and CIDR groups. @throws CommandError unless all are valid */
async function readObjects({ filename, remove, flows }: DiffOptions): Promise<readonly object[]> {
  if (filename.length === 0) {
    if (remove.length > 0) return [];
    throw new CommandError(
      "nothing to compare with",
      "Name a file with -f, or a policy that is in force with --remove.",
    );
  }
  if (filename.includes("-") && flows === "-")
    throw new CommandError("policies and flows cannot both come from stdin");
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
  state: PolicyState,
  options: DiffOptions,
): Promise<EngineChange> {
  const { settings } = state;
  const { parseCidrGroup, parsePolicy } = await import("@tsilium/policy");
  const policies = objects.flatMap((object) => {
    const result = parsePolicy(object, settings);
    return result.ok ? [result.policy] : [];
  });
  const cidrGroups = objects.flatMap((object) => {
    const result = parseCidrGroup(object);
    return result.ok ? [result.group] : [];
  });
  const removed = options.remove.map((text) => refOf(text, state));
  if (!options.delete) return { policies, cidrGroups, removedPolicies: removed };
  return {
    removedPolicies: [...policies.map(({ ref }) => ref), ...removed],
    removedCidrGroups: cidrGroups.map(({ name }) => name),
  };
}

/** "NetworkPolicy/shop/web", "CiliumClusterwideNetworkPolicy/web". @throws CommandError: none such is in force */
function refOf(text: string, { policies }: PolicyState): PolicyRef {
  const refs = policies.map(policyRefOf);
  const found = refs.find(
    ({ kind, namespace, name }) =>
      text === [kind, namespace, name].filter((word) => word !== "").join("/"),
  );
  if (found) return found;
  throw new CommandError(
    `--remove: no policy ${text} is in force`,
    "Write KIND/NAMESPACE/NAME, such as NetworkPolicy/shop/web; `tsilium policy get` lists them.",
  );
}

function policyRefOf(object: object): PolicyRef {
  const { kind, metadata } = object as {
    readonly kind: PolicyRef["kind"];
    readonly metadata: { readonly name: string; readonly namespace?: string };
  };
  return { kind, namespace: metadata.namespace ?? "", name: metadata.name };
}

async function diff(state: PolicyState, change: EngineChange): Promise<ChangeView[]> {
  const [
    { changeViews, diffEngines, Engine },
    { engineInput, engineSettingsOf, podsByIdentity },
    { labeller },
  ] = await Promise.all([
    import("@tsilium/policy-test"),
    import("./policy-state.ts"),
    import("./policy-fqdn.ts"),
  ]);
  const settings = engineSettingsOf(state);
  const known = engineInput(state);
  const labelled = labeller(change.policies ?? []);
  const identities = known.identities.map((one) => ({ ...one, labels: labelled(one.labels) }));
  const input = { ...known, identities };
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
