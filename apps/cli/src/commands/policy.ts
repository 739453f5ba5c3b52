// `tsilium policy`: what policy is in force and why, and whether what is in a file would be.
import type { Command } from "commander";
import { registerPolicyLint } from "./policy-lint.ts";
import { registerPolicyDiff } from "./policy-diff.ts";
import { registerPolicyExplain } from "./policy-explain.ts";
import { registerPolicyGet } from "./policy-get.ts";
import { registerPolicySuggest } from "./policy-suggest.ts";
import { registerPolicyTest } from "./policy-test.ts";
import { registerPolicyValidate } from "./policy-validate.ts";

export function registerPolicyCommands(program: Command): void {
  const policy = program
    .command("policy")
    .description("network policy: check it, explain it, try it out");
  registerPolicyExplain(policy);
  registerPolicyDiff(policy);
  registerPolicyGet(policy);
  registerPolicySuggest(policy);
  registerPolicyTest(policy);
  registerPolicyValidate(policy);
  registerPolicyLint(policy);
}
