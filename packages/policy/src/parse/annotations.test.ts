import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSubjectAudit } from "./annotations.ts";
import { parsePolicy } from "./parse.ts";
import { cnp, showProblem } from "./testing/show.ts";

const policy = cnp(`{ endpointSelector: {}, ingress: [{ fromEntities: [host] }] }`);

/** What a policy with these annotations is made of, or why it is refused. */
function show(annotations: unknown): string {
  const result = parsePolicy(
    { ...policy, metadata: { name: "p", namespace: "shop", annotations } },
    { clusterName: "default" },
  );
  if (!result.ok) return result.problems.map(showProblem).join("\n");
  const { enforcement, denyResponse } = result.policy;
  return [`${enforcement} ${denyResponse}`, ...result.warnings.map(showProblem)].join("\n");
}

const policies: [sentence: string, annotations: unknown, expected: string][] = [
  [
    "without annotations a policy is enforced, and answers as configured",
    undefined,
    "enforce undefined",
  ],
  [
    "annotations say that a policy is in audit mode, and how it answers",
    {
      "policy.tsilium.io/enforcement": "audit",
      "policy.tsilium.io/deny-response": "rst",
      other: "x",
    },
    "audit rst",
  ],
  [
    "a wrong value is refused, for it was meant to be something",
    { "policy.tsilium.io/enforcement": "Audit", "policy.tsilium.io/deny-response": "reject" },
    `metadata.annotations[policy.tsilium.io/enforcement]: must be one of enforce, audit ("Audit")
metadata.annotations[policy.tsilium.io/deny-response]: must be one of drop, icmp, rst ("reject")`,
  ],
  [
    "an annotation of ours that is not known is told",
    { "policy.tsilium.io/enforcment": "audit" },
    `enforce undefined
metadata.annotations[policy.tsilium.io/enforcment]: no such annotation here ("audit")`,
  ],
  ["annotations are an object", ["a"], "metadata.annotations: must be an object"],
];

for (const [sentence, annotations, expected] of policies)
  test(sentence, () => assert.equal(show(annotations), expected));

test("a pod or a namespace is in audit mode when it says so, and what it says wrongly counts for nothing", () => {
  const told = (annotations: unknown) => {
    const { audit, warnings } = parseSubjectAudit(annotations);
    return [audit, ...warnings.map(showProblem)];
  };
  assert.deepEqual(told(undefined), [false]);
  assert.deepEqual(told({ "policy.tsilium.io/enforcement": "audit" }), [true]);
  assert.deepEqual(told({ "policy.tsilium.io/enforcement": "enforce", x: "y" }), [false]);
  assert.deepEqual(told({ "policy.tsilium.io/enforcement": "yes" }), [
    false,
    `metadata.annotations[policy.tsilium.io/enforcement]: must be one of enforce, audit ("yes")`,
  ]);
  assert.deepEqual(told(7), [false, "metadata.annotations: must be an object (7)"]);
});
