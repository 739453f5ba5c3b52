// `tsilium policy lint`: what is legal in policies and hardly meant.
import type { Command } from "commander";
import { printStructured, withOutput } from "../output.ts";
import { type FilesOptions, printRendered, requirePolicies, withFiles } from "./policy-validate.ts";

type Options = FilesOptions & {
  readonly againstCluster?: boolean;
  readonly strict?: boolean;
};

const help = `
Finds selectors that select nothing, rules that a deny or an earlier rule covers, rules that match nobody, toFQDNs
without a rule that has DNS answers looked at, the same said twice, and the like. Policies are judged together: give it
all those that apply side by side.

Nothing is asked of a cluster unless --against-cluster is given: then selectors are held against the identities that an
agent knows, which takes access to its socket.

What is found is printed as FILE:LINE: FIELD: MESSAGE (CODE); policies that are invalid as by validate, and not judged.
Exit status 1: a policy is invalid or cannot be read; with --strict, something was found.

Examples:
  tsilium policy lint -f policies/
  tsilium policy lint -f policies/ --against-cluster
`;

export function registerPolicyLint(policy: Command): void {
  withFiles(withOutput(policy.command("lint")))
    .description("find what is legal in policies and hardly meant")
    .option("--against-cluster", "hold selectors against the identities that an agent knows")
    .option("--strict", "exit with status 1 when something is found")
    .addHelpText("after", help)
    .action(async ({ filename, againstCluster, strict }: Options, command: Command) => {
      const [{ readDocuments }, { lint }, { isGood, renderLint }, worlds] = await Promise.all([
        import("../policy/documents.ts"),
        import("../policy/lint.ts"),
        import("../policy/render.ts"),
        import("../policy/world.ts"),
      ]);
      const documents = readDocuments(filename);
      const world = againstCluster ? await worlds.clusterWorld(command) : worlds.offlineWorld();
      const result = lint(documents, world);
      const { report, findings } = result;
      if (!isGood(report) || (strict && findings.length > 0)) process.exitCode = 1;
      const invalid = report.policies.filter(({ valid }) => !valid);
      const { unreadable } = report;
      if (await printStructured(command, { findings, invalid, unreadable })) return;
      requirePolicies(report, filename);
      printRendered(renderLint(result));
    });
}
