import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCidrGroup } from "./parse.ts";
import { showProblem } from "./testing/show.ts";

function show(object: unknown): string {
  const result = parseCidrGroup(object);
  if (!result.ok) return result.problems.map(showProblem).join("\n");
  const { name, labels, prefixes } = result.group;
  return `${name} [${labels}]: ${prefixes.join(" ") || "nothing"}`;
}

const kind = { apiVersion: "cilium.io/v2", kind: "CiliumCIDRGroup" };
const metadata = { name: "corp", labels: { site: "hq" } };

const groups: [sentence: string, object: unknown, expected: string][] = [
  [
    "a group is its blocks and its labels",
    { ...kind, metadata, spec: { externalCIDRs: ["10.0.0.0/8", "fd00::/8", "192.0.2.1"] } },
    "corp [k8s:site=hq]: 10.0.0.0/8 fd00::/8 192.0.2.1/32",
  ],
  [
    "a group without blocks is one that matches nothing",
    { ...kind, metadata: { name: "corp" }, spec: { externalCIDRs: [] } },
    "corp []: nothing",
  ],
  [
    "a group with one bad block is refused whole",
    { ...kind, metadata, spec: { externalCIDRs: ["10.0.0.0/8", "10.0.0.0/99", 4] } },
    `spec.externalCIDRs[1]: is no block of addresses ("10.0.0.0/99")
spec.externalCIDRs[2]: must be a string: write "4" (4)`,
  ],
  ["the list must be there", { ...kind, metadata, spec: {} }, "spec.externalCIDRs: required"],
  ["so must the spec", { ...kind, metadata }, "spec: required"],
  [
    "another kind is no group",
    { ...kind, kind: "Pod" },
    `kind: must be CiliumCIDRGroup of cilium.io/v2 ("Pod")`,
  ],
  ["nothing is no group", null, "kind: must be CiliumCIDRGroup of cilium.io/v2"],
];

for (const [sentence, object, expected] of groups)
  test(sentence, () => assert.equal(show(object), expected));
