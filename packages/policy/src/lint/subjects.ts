// Whom policies select: nobody, or by labels that do not count.
import type { Label } from "@tsilium/net";
import { selects } from "../compile/selectors.ts";
import type { LabelSelector, Requirement } from "../model.ts";
import {
  finding,
  type Finding,
  type LintWorld,
  type PlacedRule,
  type PlacedSpec,
} from "./finding.ts";
import { isContradiction } from "./selector-covers.ts";

export function lintSubject(placed: PlacedSpec, world: LintWorld): Finding[] {
  const { spec } = placed;
  const { kind, selector } = spec.subject;
  if (kind === "nodes")
    return [
      finding(
        placed,
        spec.path,
        "host-policy",
        "selects nodes: not enforced without a host firewall",
      ),
    ];
  if (isContradiction(selector))
    return [
      finding(placed, spec.path, "selects-nothing", "its selector cannot be met by anything"),
    ];
  const isEmpty = world.endpoints?.every((labels) => !selects(selector, labels)) ?? false;
  return [
    ...(isEmpty
      ? [finding(placed, spec.path, "selects-nothing", "selects none of the endpoints")]
      : []),
    ...ignoredLabels(selector, world).map((message) =>
      finding(placed, spec.path, "label-ignored", message),
    ),
  ];
}

/** Peers by labels. Those with reserved labels are not endpoints, and always there. */
export function lintPeers(placed: PlacedRule, world: LintWorld): Finding[] {
  const { rule } = placed;
  const selectors = (rule.peers ?? []).flatMap((peer) =>
    peer.kind === "labels" ? [peer.selector] : [],
  );
  return selectors.filter(isOfPods).flatMap((selector) => {
    const isEmpty =
      isContradiction(selector) ||
      (world.endpoints?.every((labels) => !selects(selector, labels)) ?? false);
    const names = selector.map(nameOf).join(", ");
    return [
      ...(isEmpty
        ? [
            finding(
              placed,
              rule.path,
              "peer-selects-nothing",
              `no endpoint is selected by ${names}`,
            ),
          ]
        : []),
      ...ignoredLabels(selector, world).map((message) =>
        finding(placed, rule.path, "label-ignored", message),
      ),
    ];
  });
}

function isOfPods(selector: LabelSelector): boolean {
  return (
    selector.length > 0 &&
    !selector.some(({ source }) => source === "reserved" || source === "node")
  );
}

function ignoredLabels(selector: LabelSelector, { countsForIdentity }: LintWorld): string[] {
  if (countsForIdentity === undefined) return [];
  return selector
    .filter(({ source }) => source === "k8s" || source === "any")
    .filter((requirement) => !exampleOf(requirement).some(countsForIdentity))
    .map(({ key }) => `label ${key} is not part of identities: nobody has it`);
}

function exampleOf({ key, values }: Requirement): Label[] {
  return (values.length > 0 ? values : [""]).map((value) => ({ source: "k8s", key, value }));
}

function nameOf({ source, key, operator, values }: Requirement): string {
  const name = `${source}:${key}`;
  return values.length === 0 ? `${name} ${operator}` : `${name} ${operator} ${values.join("|")}`;
}
