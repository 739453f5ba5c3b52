// A CiliumLoadBalancerIPPool as it was written, read defensively: what of it cannot be used is told and left out.
import type { CiliumLoadBalancerIPPool, LabelSelector, LoadBalancerIPBlock } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Labels, Pool, PoolProblem, PoolRange } from "./model.ts";
import { rangeOf, sizeOf } from "./range.ts";

export function readPool({ metadata, spec }: CiliumLoadBalancerIPPool): Pool {
  const problems: PoolProblem[] = [];
  const attempt = <T>(path: string, read: () => T): T | undefined => {
    try {
      return read();
    } catch (error) {
      problems.push({ path, message: (error as Error).message });
      return undefined;
    }
  };
  const blocks: readonly unknown[] = Array.isArray(spec?.blocks) ? spec.blocks : [];
  const endsReserved = spec?.allowFirstLastIPs === "No";
  const ranges = blocks.flatMap((block, index) => {
    const path = `spec.blocks[${index}]`;
    return attempt(path, () => readBlock(block, { endsReserved })) ?? [];
  });
  const selects = attempt("spec.serviceSelector", () => compileSelector(spec?.serviceSelector));
  return {
    name: metadata.name ?? "",
    createdAt: metadata.creationTimestamp ?? "",
    ranges,
    selects: selects ?? (() => false),
    disabled: spec?.disabled === true,
    problems,
  };
}

/** @throws Error, or AddressError, saying what is wrong */
function readBlock(
  block: unknown,
  { endsReserved }: { readonly endsReserved: boolean },
): PoolRange {
  if (typeof block !== "object" || block === null) throw new Error("is no block");
  const { cidr, start, stop } = block as LoadBalancerIPBlock;
  if (cidr !== undefined && cidr !== "") {
    const range = rangeOf(Prefix.parse(String(cidr), { mask: true }));
    // Of two addresses or one nothing would be left.
    return { ...range, endsReserved: endsReserved && sizeOf(range) > 2n };
  }
  const first = Address.parse(String(start ?? ""));
  const last = stop === undefined || stop === "" ? first : Address.parse(String(stop));
  if (first.family !== last.family) throw new Error(`${first} and ${last} are of two families`);
  if (first.compare(last) > 0) throw new Error(`${last} comes before ${first}`);
  const { family } = first;
  return { family, first: first.toBigInt(), last: last.toBigInt(), endsReserved: false };
}

/** Absent or empty: all services. @throws Error for a term that means nothing */
function compileSelector(selector: LabelSelector | undefined): (labels: Labels) => boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  if (!Array.isArray(matchExpressions)) throw new Error("matchExpressions is no list");
  const terms = [
    ...Object.entries(matchLabels).map(
      ([key, value]) =>
        (labels: Labels) =>
          valueOf(labels, key) === value,
    ),
    ...matchExpressions.map((term: Term, index) => compileTerm(term, `matchExpressions[${index}]`)),
  ];
  return (labels) => terms.every((holds) => holds(labels));
}

type Term = NonNullable<LabelSelector["matchExpressions"]>[number];

function compileTerm({ key, operator, values = [] }: Term, path: string) {
  const listed: ReadonlySet<unknown> = new Set(Array.isArray(values) ? values : []);
  const isListed = (labels: Labels) => listed.has(valueOf(labels, key));
  const needsValues = operator === "In" || operator === "NotIn";
  if (needsValues !== listed.size > 0)
    throw new Error(`${path}: ${operator} with ${listed.size} values`);
  switch (operator) {
    case "In":
      return isListed;
    case "NotIn":
      return (labels: Labels) => !isListed(labels);
    case "Exists":
      return (labels: Labels) => valueOf(labels, key) !== undefined;
    case "DoesNotExist":
      return (labels: Labels) => valueOf(labels, key) === undefined;
    default:
      throw new Error(`${path}: unknown operator ${JSON.stringify(operator)}`);
  }
}

/** Labels are named by strangers: what every object has by birth is none. */
function valueOf(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}
