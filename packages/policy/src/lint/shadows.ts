// Rules that others make pointless. Compared are rules of specs whose subjects are sure to be among the other's.
import { isDeepStrictEqual } from "node:util";
import { refKey, type Rule } from "../model.ts";
import { finding, placeName, type Finding, type PlacedRule, type PlacedSpec } from "./finding.ts";
import { peersCover } from "./peer-covers.ts";
import { portsCover } from "./port-covers.ts";
import { selectorCovers } from "./selector-covers.ts";

/** Allow rules of the normal tier, in which a deny wins over them and one without L7 over one with it. */
export function lintShadows(rules: readonly PlacedRule[]): Finding[] {
  const normal = rules.filter(({ spec }) => spec.tier === "normal");
  // What a policy in audit mode would deny is let through.
  const denies = normal.filter(
    ({ rule, policy }) => rule.verdict === "deny" && policy.enforcement === "enforce",
  );
  const plain = normal.filter(({ rule }) => rule.verdict === "allow" && rule.l7 === undefined);
  return normal
    .filter(({ rule }) => rule.verdict === "allow" && isSomething(rule))
    .flatMap((placed) => [
      ...told(placed, "shadowed-by-deny", denies, "denies all that it allows"),
      ...(placed.rule.l7 ? lintOpened(placed, plain) : []),
    ]);
}

/**
 * A rule without L7 lets everything through where it names a port just as the rule with L7 does; every other port that
 * it covers is looked into all the same.
 */
function lintOpened(placed: PlacedRule, plain: readonly PlacedRule[]): Finding[] {
  const { rule } = placed;
  const by = plain.find(
    (other) =>
      subjectCovers(other, placed) &&
      other.rule.direction === rule.direction &&
      peersCover(other.rule.peers, rule.peers) &&
      rule.ports?.some((port) => other.rule.ports?.some((one) => isDeepStrictEqual(one, port))),
  );
  if (by === undefined) return [];
  const message = `${placeName(by)} allows the same without looking into it`;
  return [finding(placed, rule.path, "l7-shadowed", message)];
}

/** A port's connections are handed to one proxy: of rules of several protocols the first, by name and path, holds. */
export function lintConflicts(rules: readonly PlacedRule[]): Finding[] {
  const asked = rules
    .filter(({ rule }) => rule.l7 && isSomething(rule))
    .toSorted((a, b) => (orderKey(a) < orderKey(b) ? -1 : 1));
  return asked.flatMap((placed, index) => {
    const first = asked
      .slice(0, index)
      .find(
        (other) =>
          other.rule.l7?.protocol !== placed.rule.l7?.protocol &&
          subjectCovers(other, placed) &&
          ruleCovers(other.rule, placed.rule),
      );
    if (first === undefined) return [];
    const message = `${placeName(first)} has rules of ${first.rule.l7?.protocol} for the same: this rule allows nothing`;
    return [finding(placed, placed.rule.path, "l7-conflict", message)];
  });
}

function orderKey({ policy, rule }: PlacedRule): string {
  return `${refKey(policy.ref)} ${rule.path}`;
}

/** Rules of the tiers in which the first that matches decides, within one object. */
export function lintOrder(placed: PlacedSpec): Finding[] {
  const { policy, spec } = placed;
  if (spec.tier === "normal") return [];
  return spec.rules.flatMap((rule, index) => {
    const before = spec.rules.slice(0, index).find((one) => ruleCovers(one, rule));
    if (before === undefined || !isSomething(rule)) return [];
    return [
      finding(
        { policy },
        rule.path,
        "never-reached",
        `${before.path} matches first all that it matches`,
      ),
    ];
  });
}

function told(
  placed: PlacedRule,
  code: "shadowed-by-deny",
  others: readonly PlacedRule[],
  does: string,
): Finding[] {
  const by = others.find(
    (other) => subjectCovers(other, placed) && ruleCovers(other.rule, placed.rule),
  );
  return by ? [finding(placed, placed.rule.path, code, `${placeName(by)} ${does}`)] : [];
}

/** Whether whomever `narrow` applies to `wide` applies to as well. */
export function subjectCovers(wide: PlacedSpec, narrow: PlacedSpec): boolean {
  const [one, other] = [wide.spec.subject, narrow.spec.subject];
  return one.kind === other.kind && selectorCovers(one.selector, other.selector);
}

function ruleCovers(wide: Rule, narrow: Rule): boolean {
  return (
    wide.direction === narrow.direction &&
    peersCover(wide.peers, narrow.peers) &&
    portsCover(wide.ports, narrow.ports)
  );
}

/** Rules that match nothing have findings of their own. */
function isSomething({ peers, ports }: Rule): boolean {
  return peers?.length !== 0 && ports?.length !== 0;
}
