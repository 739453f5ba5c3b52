// CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (cilium.io/v2) as Cilium documents them.
import { type Encounter, podLabels } from "./encounter.ts";
import { isCiliumPeer } from "./cilium-peers.ts";
import type { CiliumPolicy, CiliumRule, CiliumSpec, LabelSelector, RawObject } from "./objects.ts";
import type { Opinion, RuleOpinion } from "./opinion.ts";
import { kindOf } from "./l7.ts";
import { formsOf, isForCiliumPorts, plainEntries, proxiedForms } from "./ports.ts";
import { keysOf, selectsSourced } from "./selector.ts";
import type { Settings } from "./world.ts";

/** What the rules of a spec are read with. */
export type CiliumContext = {
  readonly settings: Settings;
  readonly objects: readonly RawObject[];
  /** undefined: a clusterwide policy. */
  readonly namespace: string | undefined;
  /** The subject's selector is about pods that are starting, which have no namespace yet. */
  readonly isAboutInit: boolean;
};

/** An opinion per spec that selects the pod. */
export function opinionsOfCiliumPolicy(
  policy: CiliumPolicy,
  encounter: Encounter,
  { settings, objects }: Pick<CiliumContext, "settings" | "objects">,
): Omit<Opinion, "audit" | "policy">[] {
  const isNamespaced = policy.kind === "CiliumNetworkPolicy";
  const namespace = isNamespaced ? (policy.metadata.namespace ?? "default") : undefined;
  return specsOf(policy).flatMap(({ path, spec }) => {
    const selector = spec.endpointSelector;
    if (!selector || !isSubject(selector, namespace, encounter)) return [];
    const context = { settings, objects, namespace, isAboutInit: asksForInit(selector) };
    const rules = rulesOf({ spec, path, encounter, context });
    const { direction } = encounter;
    const isolates = rules.length > 0 && spec.enableDefaultDeny?.[direction] !== false;
    return [{ path, tier: "normal" as const, priority: 0, isolates, rules }];
  });
}

function specsOf({ spec, specs }: CiliumPolicy): { path: string; spec: CiliumSpec }[] {
  const several = (specs ?? []).map((one, index) => ({ path: `specs[${index}]`, spec: one }));
  return spec ? [{ path: "spec", spec }, ...several] : several;
}

/** A namespaced policy never selects outside its namespace, whatever its selector says. */
function isSubject(
  selector: LabelSelector,
  namespace: string | undefined,
  { subject, world }: Encounter,
): boolean {
  const isHome = namespace === undefined || (subject.namespace === namespace && !subject.init);
  return isHome && selectsSourced(selector, podLabels(world, subject));
}

/** Asks for `reserved:init`; one that asks for its absence does not. */
function asksForInit(selector: LabelSelector): boolean {
  return keysOf(selector).some(
    ({ source, name, isWanted }) => source === "reserved" && name === "init" && isWanted,
  );
}

function rulesOf(options: {
  readonly spec: CiliumSpec;
  readonly path: string;
  readonly encounter: Encounter;
  readonly context: CiliumContext;
}): RuleOpinion[] {
  const { spec, path, encounter, context } = options;
  const { direction } = encounter;
  const read = (
    rules: readonly CiliumRule[] | undefined,
    field: string,
    verdict: "allow" | "deny",
  ): RuleOpinion[] =>
    (rules ?? []).flatMap((rule, index) => {
      const isPeer = isCiliumPeer(rule, encounter, context);
      const place = `${path}.${field}[${index}]`;
      const plain = {
        verdict,
        path: place,
        matches: isPeer && isForCiliumPorts(encounter, rule),
        forms: plainEntries(rule.toPorts).flatMap((entry) => formsOf(encounter, entry)),
      };
      const proxied = (rule.toPorts ?? []).flatMap((entry, at): RuleOpinion[] => {
        const kind = kindOf(entry);
        if (kind === "plain" || kind === "nothing") return [];
        const forms = proxiedForms(encounter, entry);
        const l7 = { kind, entry, namespace: context.namespace };
        const matches = isPeer && forms.length > 0;
        return [{ verdict, path: `${place}.toPorts[${at}]`, matches, l7, forms }];
      });
      return [plain, ...proxied];
    });
  return [
    ...read(spec[direction], direction, "allow"),
    ...read(spec[`${direction}Deny`], `${direction}Deny`, "deny"),
  ];
}
