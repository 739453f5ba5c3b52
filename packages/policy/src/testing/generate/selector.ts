// Random label selectors over a dictionary, in every form.
import type { Random } from "@tsilium/testkit";
import type { LabelSelector } from "../naive/index.ts";
import { compact, several, some } from "./dictionary.ts";

export type Dictionary = Readonly<Record<string, readonly string[]>>;

/** Often `{}`, mostly one term. Keys get a prefix ("k8s:") where `prefixes` has some. */
export function randomSelector(
  random: Random,
  dictionary: Dictionary,
  prefixes: readonly string[] = [""],
): LabelSelector {
  if (random.chance(0.25)) return {};
  const equalities = several(random, [0, random.chance(0.2) ? 2 : 1], () => {
    const [key, values] = random.pick(Object.entries(dictionary));
    return [`${random.pick(prefixes)}${key}`, random.pick(values)];
  });
  const expressions = several(random, [equalities.length > 0 ? 0 : 1, 1], () =>
    randomExpression(random, dictionary, prefixes),
  );
  return compact({
    matchLabels: equalities.length > 0 ? Object.fromEntries(equalities) : undefined,
    matchExpressions: random.chance(0.4) || equalities.length === 0 ? expressions : undefined,
  });
}

function randomExpression(random: Random, dictionary: Dictionary, prefixes: readonly string[]) {
  const [name, values] = random.pick(Object.entries(dictionary));
  const key = `${random.pick(prefixes)}${name}`;
  const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"]);
  if (operator === "Exists" || operator === "DoesNotExist") return { key, operator };
  return { key, operator, values: some(random, values, 1 + random.below(2)) };
}
