// The naive evaluator: every policy object is read anew for every question, and nothing is prepared, merged or
// remembered. Slow, and obvious where it follows the specifications.
import { opinionsOfCiliumPolicy } from "./cilium.ts";
import { opinionOfClusterPolicy } from "./cluster.ts";
import { type Encounter, encounterOf, namespaceOf } from "./encounter.ts";
import { opinionOfNetworkPolicy } from "./kubernetes.ts";
import type { NaiveRuleSet } from "./l7.ts";
import type { CiliumPolicy, ClusterNetworkPolicy, NetworkPolicy, RawObject } from "./objects.ts";
import type { Opinion } from "./opinion.ts";
import { partyName, type Question, type Settings, type World } from "./world.ts";
import { weigh } from "./weigh.ts";

export type SideVerdict = "allowed" | "denied" | "audit";

export type Side = {
  readonly verdict: SideVerdict;
  /**
   * What may be named as the cause, "CiliumNetworkPolicy/shop/web spec.ingress[0]": any one of `rules`, or all of
   * `defaultDeny`. Empty both: a matter of course.
   */
  readonly rules: readonly string[];
  readonly defaultDeny: readonly string[];
  /** What a proxy enforces of what is allowed. */
  readonly l7?: NaiveRuleSet;
};

export type Answer = {
  readonly verdict: SideVerdict;
  /** undefined where that end is no pod. */
  readonly egress: Side | undefined;
  readonly ingress: Side | undefined;
  readonly why: string;
};

export type Naive = { verdict(question: Question): Answer };

/** An evaluator of these objects (policies, CIDR groups, services, slices; others do not matter) in this world. */
export function naive(world: World, objects: readonly RawObject[], settings: Settings): Naive {
  return {
    verdict(question) {
      const isOneself = partyName(question.from) === partyName(question.to);
      const side = (direction: "egress" | "ingress") => {
        const encounter = isOneself ? undefined : encounterOf(world, question, direction);
        return encounter && judge(encounter, objects, settings);
      };
      const [egress, ingress] = [side("egress"), side("ingress")];
      const verdicts = [egress?.verdict, ingress?.verdict];
      const verdict = verdicts.includes("denied")
        ? "denied"
        : verdicts.includes("audit")
          ? "audit"
          : "allowed";
      return { verdict, egress, ingress, why: `egress ${say(egress)}; ingress ${say(ingress)}` };
    },
  };
}

function say(side: Side | undefined): string {
  if (!side) return "nobody's";
  const causes = side.rules.length > 0 ? side.rules : side.defaultDeny.map((by) => `deny by ${by}`);
  return [side.verdict, ...causes].join(" ");
}

/** Audit never widens: what the policies that enforce decide by themselves stays decided. */
function judge(encounter: Encounter, objects: readonly RawObject[], settings: Settings): Side {
  const opinions = opinionsOf(encounter, objects, settings);
  const enforcing = opinions.filter(({ audit }) => !audit);
  const { l7: enforcedSet, ...enforced } = weigh(encounter, enforcing, settings);
  const { l7: fullSet, ...full } = weigh(encounter, opinions, settings);
  const audit = isAudited(encounter, settings);
  if (enforcedSet) return { ...enforced, l7: { ...enforcedSet, audit } };
  if (enforced.verdict === "denied") return { ...enforced, verdict: audit ? "audit" : "denied" };
  if (full.verdict === "denied") return { ...full, verdict: "audit" };
  // A proxy only tells then, which is worth its while where it would refuse something.
  if (fullSet && fullSet.openedBy === undefined)
    return { ...full, l7: { ...fullSet, audit: true } };
  // What needs no rule of a policy that enforces may have one of a policy in audit mode.
  if (enforced.rules.some((rule) => !rule.startsWith("("))) return enforced;
  const { l7: _, ...plain } = weigh(encounter, opinions.map(withoutL7), settings);
  return plain;
}

function withoutL7(opinion: Opinion): Opinion {
  return { ...opinion, rules: opinion.rules.filter(({ l7 }) => !l7) };
}

function isAudited({ subject, world }: Encounter, settings: Settings): boolean {
  const says = (annotations: Readonly<Record<string, string>> | undefined) =>
    annotations?.["policy.tsilium.io/enforcement"] === "audit";
  return (
    settings.audit ||
    says(subject.annotations) ||
    says(namespaceOf(world, subject.namespace).annotations)
  );
}

function opinionsOf(
  encounter: Encounter,
  objects: readonly RawObject[],
  settings: Settings,
): Opinion[] {
  return objects.flatMap((object) =>
    specOpinions(object, encounter, { objects, settings }).map((opinion) => ({
      ...opinion,
      policy: `${object.kind}/${object.metadata.namespace ?? ""}/${object.metadata.name}`,
      audit: object.metadata.annotations?.["policy.tsilium.io/enforcement"] === "audit",
    })),
  );
}

function specOpinions(
  object: RawObject,
  encounter: Encounter,
  context: { readonly objects: readonly RawObject[]; readonly settings: Settings },
): Omit<Opinion, "audit" | "policy">[] {
  switch (object.kind) {
    case "NetworkPolicy":
      return [
        opinionOfNetworkPolicy(object as NetworkPolicy, encounter, context.settings) ?? [],
      ].flat();
    case "CiliumNetworkPolicy":
    case "CiliumClusterwideNetworkPolicy":
      return opinionsOfCiliumPolicy(object as CiliumPolicy, encounter, context);
    case "ClusterNetworkPolicy":
      return [opinionOfClusterPolicy(object as ClusterNetworkPolicy, encounter) ?? []].flat();
    default:
      return [];
  }
}
