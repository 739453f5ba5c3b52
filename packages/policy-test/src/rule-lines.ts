// The lines of an object's YAML that a rule's path points at.
import { dump } from "js-yaml";

/**
 * What stands at "spec.ingress[0]", as YAML under its own keys; undefined when nothing does.
 *
 *   spec:
 *     ingress:
 *       - from: [...]
 */
export function ruleLines(object: unknown, path: string): string[] | undefined {
  const steps = stepsOf(path);
  const value = steps && valueAt(object, steps);
  if (steps === undefined || value === undefined) return undefined;
  return dump(wrapped(steps, value), { noRefs: true, lineWidth: 100 }).trimEnd().split("\n");
}

type Step = string | number;

/** "spec.ingress[0]" -> ["spec", "ingress", 0] */
function stepsOf(path: string): Step[] | undefined {
  if (!/^[a-zA-Z]+(\[\d+\])*(\.[a-zA-Z]+(\[\d+\])*)*$/.test(path)) return undefined;
  return [...path.matchAll(/([a-zA-Z]+)|\[(\d+)\]/g)].map(([, key, index]) =>
    key === undefined ? Number(index) : key,
  );
}

function valueAt(object: unknown, steps: readonly Step[]): unknown {
  let value = object;
  for (const step of steps) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<Step, unknown>)[step];
  }
  return value;
}

/** The value alone in its keys: other items of the lists on the way are left out. */
function wrapped(steps: readonly Step[], value: unknown): unknown {
  return steps.reduceRight<unknown>(
    (inner, step) => (typeof step === "number" ? [inner] : { [step]: inner }),
    value,
  );
}
