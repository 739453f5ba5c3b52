// `tsilium policy suggest`: the policies that recorded flows need, and nothing more.
// Exit status 0: they allow what was seen and nothing else of it; 2: not quite; 1: there are none.
import { Option, type Command } from "commander";
import type { SeenConnection } from "@tsilium/policy/replay/index.ts";
import type { PolicyState } from "../api.ts";
import { CommandError } from "../failure.ts";
import { printable } from "../output.ts";
import { type FlowSource, hasFlowSource, withFlowSource } from "../policy/recorded-flows.ts";

type SuggestOptions = FlowSource & {
  readonly namespace: readonly string[];
  readonly kind: "CiliumNetworkPolicy" | "NetworkPolicy";
  readonly cidr?: true;
  readonly includeDrops?: true;
  readonly output: "yaml" | "json";
  readonly clusterName?: string;
};

const imperfectStatus = 2;

const help = `
Writes a policy for each workload of the namespace that was seen: who connected to it and whom it connected to, by labels,
entities (world, host, kube-apiserver, remote-node) and addresses, at the ports that were used. Replies need no rules.
Labels that change with every pod or roll-out are left out. What policy denied stays denied unless --include-drops; what
was let through in audit mode counts as let through.

The policies are then read by Tsilium's own parser, compiled, and asked about everything that was seen: what they would
deny that was let through, or let through that was denied, is told on standard error.

They isolate in both directions: what was not seen, such as a job that runs once a week, will be denied. Look at them,
try them with \`tsilium policy diff -f FILE --since 24h\`, or apply them in audit mode first (annotation
policy.tsilium.io/enforcement: audit).

Exit status 0: they do exactly what was seen, 2: not quite, 1: there is nothing to suggest from.

Examples:
  tsilium policy suggest -n shop --since 24h > shop.yaml
  tsilium policy suggest -n shop --since 1h --kind NetworkPolicy
  hubble observe -n shop --since 1h -o jsonpb | tsilium policy suggest -n shop --flows -`;

export function registerPolicySuggest(policy: Command): void {
  withFlowSource(policy.command("suggest"))
    .description("least-privilege policies from recorded flows")
    .requiredOption(
      "-n, --namespace <namespace>",
      "whose pods get policies (repeatable)",
      collected,
      [],
    )
    .addOption(
      new Option("--kind <kind>", "kind of the policies")
        .choices(["CiliumNetworkPolicy", "NetworkPolicy"])
        .default("CiliumNetworkPolicy"),
    )
    .option("--cidr", "the world by the addresses that were seen, not as an entity")
    .option("--include-drops", "allow what policy denied as well")
    .option(
      "--cluster-name <name>",
      "of the pods that get policies, where flows are of several clusters",
    )
    .addOption(
      new Option("-o, --output <format>", "how to print").choices(["yaml", "json"]).default("yaml"),
    )
    .addHelpText("after", help)
    .action(async (options: SuggestOptions) => {
      if (options.namespace.length === 0)
        throw new CommandError("whose pods? Name a namespace with -n");
      const result = await suggested(options);
      await print(result, options);
      if (!isExact(result)) process.exitCode = imperfectStatus;
    });
}

function collected(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

type Result = Awaited<ReturnType<typeof suggested>>;

/** @throws CommandError when nothing was seen */
async function suggested(options: SuggestOptions) {
  const [{ readFlows }, { prove, SeenConnections }, { suggest }] = await Promise.all([
    import("../policy/recorded-flows.ts"),
    import("@tsilium/policy/replay/index.ts"),
    import("@tsilium/policy/suggest/index.ts"),
  ]);
  const source = hasFlowSource(options) ? options : { ...options, since: usualSince };
  const seen = new SeenConnections();
  const recorded = await readFlows(source, options.namespace, (flow) => seen.add(flow));
  const connections = seen.connections();
  const clusterName = options.clusterName ?? clusterOf(connections, options.namespace);
  const wanted = {
    namespaces: options.namespace,
    kind: options.kind,
    cidr: options.cidr ?? false,
    includeDrops: options.includeDrops ?? false,
    clusterName,
  };
  const suggestion = suggest(connections, wanted);
  if (suggestion.policies.length === 0)
    throw new CommandError(
      `no connection of pods in ${options.namespace.join(", ")} was seen (${seen.flows} flows read)`,
      "Is --since long enough, and is it the right server? `hubble observe -n NAMESPACE` shows its flows.",
    );
  const settings = { ...usualSettings, clusterName };
  const proof = prove(suggestion.policies, suggestion.connections, { settings, ...wanted });
  return { ...suggestion, proof, recorded, flows: seen.flows, leftOut: seen.leftOutFlows };
}

/** The one cluster of these namespaces' pods. @throws CommandError when there are several */
function clusterOf(connections: readonly SeenConnection[], namespaces: readonly string[]): string {
  const parties = connections.flatMap(({ from, to }) => [from.party, to.party]);
  const clusters = new Set(
    parties.flatMap((party) =>
      party.kind === "pods" && party.cluster !== "" && namespaces.includes(party.namespace)
        ? [party.cluster]
        : [],
    ),
  );
  const [only = "default", ...others] = [...clusters].toSorted();
  if (others.length === 0) return only;
  throw new CommandError(
    `pods of several clusters were seen: ${[only, ...others].join(", ")}`,
    "Say whose policies these are to be with --cluster-name.",
  );
}

const usualSince = "24h";

/** An agent's, where nothing is configured. */
const usualSettings = {
  enablePolicy: "default",
  allowLocalhost: true,
  cidrMatchMode: [],
  audit: false,
  denyResponse: "drop",
} satisfies Partial<PolicyState["settings"]>;

function isExact({ proof, unnameable, leftOut }: Result): boolean {
  const { invalid, missing, extra } = proof;
  return [invalid, missing, extra, unnameable].every(({ length }) => length === 0) && leftOut === 0;
}

async function print(result: Result, { output }: SuggestOptions): Promise<void> {
  const [{ suggestionView, suggestionNotes }, { writeYaml }] = await Promise.all([
    import("./policy-suggest-text.ts"),
    import("@tsilium/policy/suggest/index.ts"),
  ]);
  if (output === "json")
    process.stdout.write(`${JSON.stringify(suggestionView(result), undefined, 2)}\n`);
  else process.stdout.write(writeYaml(result.policies));
  for (const note of suggestionNotes(result)) process.stderr.write(`${printable(note)}\n`);
}
