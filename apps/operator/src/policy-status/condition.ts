// What the status of a policy says of its validity. Pure.
import type { Condition, KubeObject } from "@tsilium/kube";
import { problemText, type Judgement } from "../policies/judge.ts";

export type PolicyObject = KubeObject & {
  readonly status?: { readonly conditions?: readonly Condition[] };
};

const type = "Valid";

/** As many problems as a message tells; the rest is counted. */
const maxTold = 3;

/**
 * The conditions that a policy's status should have, or undefined when it has them. Conditions of other types stay. The
 * time of the last change is kept unless the verdict changes.
 */
export function conditionsFor(
  policy: PolicyObject,
  judgement: Judgement,
  now: Date,
): readonly Condition[] | undefined {
  const present = policy.status?.conditions ?? [];
  const before = present.find((condition) => condition.type === type);
  const { generation } = policy.metadata;
  const wanted = {
    type,
    ...verdict(judgement),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
  };
  const told = Object.entries(wanted).every(
    ([field, value]) => before?.[field as keyof Condition] === value,
  );
  if (told && before?.lastTransitionTime) return undefined;
  const since =
    before?.status === wanted.status && before.lastTransitionTime
      ? before.lastTransitionTime
      : `${now.toISOString().slice(0, 19)}Z`;
  const others = present.filter((condition) => condition.type !== type);
  return [...others, { ...wanted, lastTransitionTime: since }];
}

/** How its status calls a policy. */
export function validityOf({ status }: PolicyObject): "valid" | "invalid" | "unknown" {
  const condition = status?.conditions?.find((candidate) => candidate.type === type);
  if (condition?.status === "True") return "valid";
  return condition?.status === "False" ? "invalid" : "unknown";
}

function verdict({
  problems,
  warnings,
}: Judgement): Pick<Condition, "status" | "reason" | "message"> {
  if (problems.length > 0)
    return {
      status: "False",
      reason: "Invalid",
      message: `nothing of it is enforced: ${listed(problems)}`,
    };
  return {
    status: "True",
    reason: "Valid",
    message:
      warnings.length > 0 ? `valid, with warnings: ${listed(warnings)}` : "validation succeeded",
  };
}

function listed(problems: Judgement["problems"]): string {
  const told = problems.slice(0, maxTold).map(problemText);
  const more = problems.length - told.length;
  return [...told, ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
