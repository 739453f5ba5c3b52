// The documentation's examples are policies, and lint says of them what the documentation says.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { test } from "node:test";
import { loadAll } from "js-yaml";
import { lintPolicies } from "../lint/lint.ts";
import { parseCidrGroup, parsePolicy } from "./parse.ts";

const folder = join(import.meta.dirname, "../../../../docs/examples/policies");
const expected: Readonly<Record<string, readonly string[]>> = {
  audit: [" audit"],
  "default-deny": ["spec.ingress[0] matches-nobody", "spec.egress[0] matches-nobody"],
};

for (const file of globSync("*.yaml", { cwd: folder })) {
  const name = basename(file, ".yaml");
  if (name === "workloads") continue;
  test(`docs/examples/policies/${file} is valid`, () => {
    const objects = loadAll(readFileSync(join(folder, file), "utf8"));
    const policies = objects.flatMap((object) => {
      const isGroup = (object as { kind: string }).kind === "CiliumCIDRGroup";
      const result = isGroup
        ? parseCidrGroup(object)
        : parsePolicy(object, { clusterName: "default" });
      assert.ok(result.ok, JSON.stringify(result));
      return "policy" in result ? [result.policy] : [];
    });
    const found = lintPolicies(policies).map(({ path, code }) => `${path} ${code}`);
    assert.deepEqual(found, expected[name] ?? []);
  });
}
