// Rules asked of an object: whether each holds, and what is told where one does not.
import type { Cause } from "../../errors.ts";
import { isRecord, sameJson } from "../../objects/json.ts";
import type { Schema } from "../structural.ts";
import type { Rule, RuleTree } from "./compile-rules.ts";
import { firstLine, newEnvironment } from "./environment.ts";
import { longestText, Meter } from "./meter.ts";
import { toCel } from "./values.ts";

/** Nodes of expressions that one object's rules may take: about half a second of one CPU. */
const budget = 10_000_000;

/** Longer messages of a messageExpression are cut. */
const maxMessage = 5 * 1024;

/**
 * Causes of the rules that do not hold for an object, which is valid by its schema.
 * @param before the state it replaces. Rules about a value that is as it was are not asked again.
 */
export function evaluateRules(tree: RuleTree, object: unknown, before?: unknown): Cause[] {
  const evaluation = new Evaluation(new Meter(budget, longestText([object, before])));
  evaluation.level(tree, object, { path: "", old: before, root: true });
  return evaluation.causes;
}

type Where = { readonly path: string; readonly old: unknown; readonly root?: boolean };

class Evaluation {
  readonly causes: Cause[] = [];
  readonly #meter: Meter;

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  level(tree: RuleTree, value: unknown, where: Where): void {
    if (value === undefined || value === null || this.#meter.exceeded) return;
    this.#rules(tree, value, where);
    if (Array.isArray(value)) {
      if (tree.items) this.#items(tree, tree.items, { list: value, where });
    } else if (isRecord(value)) {
      const old = isRecord(where.old) ? where.old : {};
      for (const [name, part] of Object.entries(value)) {
        const property = tree.properties.get(name);
        const path = property
          ? `${where.path === "" ? "" : `${where.path}.`}${name}`
          : `${where.path}[${name}]`;
        const below = property ?? tree.values;
        if (below) this.level(below, part, { path, old: old[name] });
      }
    }
  }

  #items(
    tree: RuleTree,
    items: RuleTree,
    { list, where }: { readonly list: readonly unknown[]; readonly where: Where },
  ): void {
    const findOld = oldItems(tree.schema, where.old);
    list.forEach((item, index) =>
      this.level(items, item, { path: `${where.path}[${index}]`, old: findOld(item) }),
    );
  }

  #rules({ rules, schema }: RuleTree, value: unknown, where: Where): void {
    if (rules.length === 0) return;
    const { old, root = false } = where;
    const unchanged = old !== undefined && sameJson(value, old);
    const self = toCel(schema, value, root);
    for (const rule of rules) {
      if (rule.transition ? old === undefined && !rule.optionalOldSelf : unchanged) continue;
      const oldSelf = old === undefined ? undefined : toCel(schema, old, root);
      this.#rule(rule, schema, { variables: variablesOf(rule, self, oldSelf), path: where.path });
      if (this.#meter.exceeded) return;
    }
  }

  #rule(
    rule: Rule,
    schema: Schema,
    { variables, path }: { readonly variables: Record<string, unknown>; readonly path: string },
  ): void {
    const told = rule.message ?? rule.source;
    let why: string | undefined;
    try {
      if (rule.test.evaluate(variables, this.#meter) !== true) why = this.#message(rule, variables);
    } catch (error) {
      why = `${firstLine(error)} evaluating rule: ${told}`;
    }
    if (this.#meter.exceeded)
      why =
        "validation failed due to running out of cost budget, no further validation rules will be run";
    if (why !== undefined) this.causes.push(toCause(rule, why, { path, schema }));
  }

  #message(rule: Rule, variables: Record<string, unknown>): string {
    const fixed = rule.message ?? `failed rule: ${rule.source}`;
    if (!rule.messageExpression) return fixed;
    try {
      const text = rule.messageExpression.evaluate(variables, this.#meter);
      const usable = typeof text === "string" && text.trim() !== "" && !text.includes("\n");
      return usable ? text.trim().slice(0, maxMessage) : fixed;
    } catch {
      return fixed;
    }
  }
}

let optional: { of: (value: unknown) => unknown; none: unknown } | undefined;

function variablesOf(rule: Rule, self: unknown, oldSelf: unknown): Record<string, unknown> {
  if (!rule.optionalOldSelf) return { self, oldSelf: oldSelf ?? null };
  if (!optional) {
    const of = newEnvironment().registerVariable("x", "dyn").parse("optional.of(x)");
    optional = { of: (x) => of({ x }), none: newEnvironment().evaluate("optional.none()") };
  }
  return { self, oldSelf: oldSelf === undefined ? optional.none : optional.of(oldSelf) };
}

function toCause(
  rule: Rule,
  why: string,
  { path, schema }: { readonly path: string; readonly schema: Schema },
): Cause {
  const within = rule.fieldPath.replaceAll(/\['([^']+)'\]/g, "[$1]");
  const at = path === "" ? within.replace(/^\./, "") : path + within;
  // The value itself is not told, only its type: it may be large, or nobody's business.
  const type = JSON.stringify(schema["type"] ?? "");
  const message = {
    FieldValueInvalid: `Invalid value: ${type}: ${why}`,
    FieldValueForbidden: `Forbidden: ${why}`,
    FieldValueRequired: `Required value: ${why}`,
    FieldValueDuplicate: `Duplicate value: ${type}`,
  }[rule.reason];
  return { reason: rule.reason, message, field: at === "" ? "<nil>" : at };
}

/** What an item was before: known only where items have keys. */
function oldItems(schema: Schema, old: unknown): (item: unknown) => unknown {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (schema["x-kubernetes-list-type"] !== "map" || !Array.isArray(keys) || !Array.isArray(old))
    return () => undefined;
  const keyOf = (item: unknown) =>
    isRecord(item) ? JSON.stringify(keys.map((key: string) => item[key] ?? null)) : undefined;
  const byKey = new Map(old.map((item) => [keyOf(item), item as unknown]));
  return (item) => byKey.get(keyOf(item));
}
