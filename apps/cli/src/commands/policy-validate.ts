// `tsilium policy validate`: whether the policies in files would be taken, and if not, where what is wrong. Offline.
import type { Command } from "commander";
import { CommandError } from "../failure.ts";
import { printable, printStructured, withOutput } from "../output.ts";
import type { Report } from "../policy/check.ts";
import type { Rendered } from "../policy/render.ts";

export type FilesOptions = { readonly filename: readonly string[] };

const help = `
Judges each policy as the cluster will: its fields and their types first, then what they mean together. Nothing is
asked of a cluster or an agent. Kinds: NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy,
ClusterNetworkPolicy, CiliumCIDRGroup; objects of other kinds are passed over.

What is wrong is printed as FILE:LINE: FIELD: REASON, warnings on standard error.
Exit status 1: a policy is invalid, a file is no YAML, or there is no policy at all.

Examples:
  tsilium policy validate -f policies/
  kubectl get cnp,ccnp,netpol -A -o yaml | tsilium policy validate -f -
`;

export function registerPolicyValidate(policy: Command): void {
  withFiles(withOutput(policy.command("validate")))
    .description("check the policies in files; needs no cluster")
    .addHelpText("after", help)
    .action(async ({ filename }: FilesOptions, command: Command) => {
      const [{ readDocuments }, { checkPolicies }, { isGood, renderReport }] = await Promise.all([
        import("../policy/documents.ts"),
        import("../policy/check.ts"),
        import("../policy/render.ts"),
      ]);
      const report = checkPolicies(readDocuments(filename));
      if (!isGood(report)) process.exitCode = 1;
      if (await printStructured(command, { valid: isGood(report), ...report })) return;
      requirePolicies(report, filename);
      printRendered(renderReport(report));
    });
}

export function withFiles(command: Command): Command {
  return command.requiredOption(
    "-f, --filename <file>",
    "file, or folder of files, with YAML or JSON documents; - for stdin (repeatable)",
    (file: string, before: readonly string[] | undefined) => [...(before ?? []), file],
  );
}

/** @throws CommandError when there is nothing to speak of: a wrong path must not look like success */
export function requirePolicies({ policies, unreadable }: Report, names: readonly string[]): void {
  if (policies.length + unreadable.length === 0)
    throw new CommandError(`no policy in ${names.join(", ").replace(/^-$/, "stdin")}`);
}

export function printRendered({ output, notes }: Rendered): void {
  for (const line of notes) process.stderr.write(`${printable(line)}\n`);
  for (const line of output) process.stdout.write(`${printable(line)}\n`);
}
