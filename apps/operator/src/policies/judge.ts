// What is wrong with an object of any policy kind, and what is odd about it, as the API server of a lab, the webhook, the
// statuses and the command line ask: what the parser says, and what it does not look at. Pure.
import type { Admission, Admissions, Cause } from "@tsilium/apiserver";
import type { CustomResourceDefinition, JsonSchema } from "@tsilium/kube";
import { parseCidrGroup, parsePolicy, type ParseOptions, type Problem } from "@tsilium/policy";
import { ciliumCidrGroup } from "../crds/cilium-cidr-group.ts";
import {
  ciliumClusterwideNetworkPolicy,
  ciliumNetworkPolicy,
} from "../crds/cilium-network-policy.ts";
import { clusterNetworkPolicy } from "../crds/cluster-network-policy.ts";
import { unknownFields } from "./unknown-fields.ts";

export type Judgement = {
  /** Any of them makes the object invalid: nothing of it is enforced. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
};

export type PolicyJudge = (object: unknown) => Judgement;

/** What a configuration makes of policies. Without one: all that some configuration enforces. */
export type JudgeOptions = Pick<ParseOptions, "nodeSelectorLabels">;

/** By "group/Kind". */
export function policyJudges({ nodeSelectorLabels = true }: JudgeOptions = {}): Readonly<
  Record<string, PolicyJudge>
> {
  // No policy is more or less valid for its cluster's name.
  const options: ParseOptions = { clusterName: "default", nodeSelectorLabels };
  const parse: Parse = (object) => parsePolicy(object, options);
  return {
    "networking.k8s.io/NetworkPolicy": judgeBy(parse, networkPolicy),
    "cilium.io/CiliumNetworkPolicy": judgeBy(parse, schemaOf(ciliumNetworkPolicy)),
    "cilium.io/CiliumClusterwideNetworkPolicy": judgeBy(
      parse,
      schemaOf(ciliumClusterwideNetworkPolicy),
    ),
    "cilium.io/CiliumCIDRGroup": judgeBy(parseCidrGroup, schemaOf(ciliumCidrGroup)),
    "policy.networking.k8s.io/ClusterNetworkPolicy": judgeBy(parse, schemaOf(clusterNetworkPolicy)),
  };
}

/** A built-in kind, of which the parser reads every field there is within spec. */
const networkPolicy: JsonSchema = {
  properties: { apiVersion: {}, kind: {}, metadata: {}, spec: {} },
};

/** The schema that objects are read by. */
export function schemaOf({ spec }: CustomResourceDefinition): JsonSchema {
  return spec.versions[0]?.schema?.openAPIV3Schema ?? {};
}

/** The same for an API server of our own. */
export function policyAdmissions(options: JudgeOptions = {}): Admissions {
  return admissionsBy(policyJudges(options));
}

/** How an API server of our own asks judges. */
export function admissionsBy(judges: Readonly<Record<string, PolicyJudge>>): Admissions {
  return Object.fromEntries(
    Object.entries(judges).map(([kind, judge]) => [kind, admissionBy(judge)]),
  );
}

function admissionBy(judge: PolicyJudge): Admission {
  return (object) => {
    const { problems, warnings } = judge(object);
    return { causes: problems.map(causeOf), warnings: warnings.map(problemText) };
  };
}

type Parse = (
  object: unknown,
) =>
  | { readonly ok: true; readonly warnings: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** A field that nobody knows is told once: with the nearest that is known. */
function judgeBy(parse: Parse, schema: JsonSchema): PolicyJudge {
  return (object) => {
    const unknown = unknownFields(schema, object);
    const told = new Set(unknown.map(({ path }) => path));
    const result = parse(object);
    const parsed = result.ok ? [] : result.problems.filter(({ path }) => !told.has(path));
    const problems = [...unknown, ...parsed];
    return { problems, warnings: result.ok && problems.length === 0 ? result.warnings : [] };
  };
}

/** "spec.ingress[0].fromCIDR[0]: is no prefix" */
export function problemText({ path, message }: Problem): string {
  return path === "" ? message : `${path}: ${message}`;
}

/** As Kubernetes words a cause. */
export function causeOf({ path, message, value }: Problem): Cause {
  const shown = value === undefined ? "" : `Invalid value: ${shortened(JSON.stringify(value))}: `;
  return { reason: "FieldValueInvalid", message: `${shown}${message}`, field: path };
}

function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
