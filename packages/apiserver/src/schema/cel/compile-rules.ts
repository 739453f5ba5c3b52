// x-kubernetes-validations of a schema, compiled: which rules hold at which level, and what is wrong with them.
import { field, type Cause } from "../../errors.ts";
import { isRecord } from "../../objects/json.ts";
import type { Schema } from "../structural.ts";
import { compile, newEnvironment, type CompileOptions, type Expression } from "./environment.ts";
import { Types } from "./types.ts";

export type Rule = {
  readonly source: string;
  readonly test: Expression;
  /** Compares with the state before: it is not asked of new values, unless it says that it can do without. */
  readonly transition: boolean;
  readonly optionalOldSelf: boolean;
  readonly message: string | undefined;
  readonly messageExpression: Expression | undefined;
  readonly reason:
    | "FieldValueInvalid"
    | "FieldValueForbidden"
    | "FieldValueRequired"
    | "FieldValueDuplicate";
  /** Where within the value the fault is told: ".a.b". */
  readonly fieldPath: string;
};

/** The rules of a level of a schema and of what is below it; levels without any are left out. */
export type RuleTree = {
  readonly schema: Schema;
  readonly rules: readonly Rule[];
  readonly properties: ReadonlyMap<string, RuleTree>;
  readonly items: RuleTree | undefined;
  readonly values: RuleTree | undefined;
};

const reasons = [
  "FieldValueInvalid",
  "FieldValueForbidden",
  "FieldValueRequired",
  "FieldValueDuplicate",
] as const;

/** The rules of a schema that `ruleCauses` finds no fault with; undefined when it has none. */
export function compileRules(schema: Schema): RuleTree | undefined {
  return new Compiler(() => undefined).tree(schema, "", true);
}

/** What is wrong with the rules of a structural schema. @param path of the schema in its definition */
export function ruleCauses(schema: Schema, path: string): Cause[] {
  const causes: Cause[] = [];
  new Compiler((cause) => causes.push(cause)).tree(schema, path, true);
  return causes;
}

class Compiler {
  readonly #report: (cause: Cause) => void;

  constructor(report: (cause: Cause) => void) {
    this.#report = report;
  }

  tree(schema: Schema, path: string, root = false): RuleTree | undefined {
    const rules = this.#rules(schema, path, root);
    const properties = new Map<string, RuleTree>();
    if (isRecord(schema["properties"])) {
      for (const [name, part] of Object.entries(schema["properties"])) {
        const tree = this.tree(part as Schema, `${path}.properties[${name}]`);
        if (tree) properties.set(name, tree);
      }
    }
    const below = (keyword: "items" | "additionalProperties") =>
      isRecord(schema[keyword]) ? this.tree(schema[keyword], `${path}.${keyword}`) : undefined;
    const items = below("items");
    const values = below("additionalProperties");
    const empty = rules.length === 0 && properties.size === 0 && !items && !values;
    return empty ? undefined : { schema, rules, properties, items, values };
  }

  #rules(schema: Schema, path: string, root: boolean): Rule[] {
    const listed = schema["x-kubernetes-validations"];
    if (!Array.isArray(listed) || listed.length === 0) return [];
    const environments = [false, true].map((optional) =>
      environmentsOf(schema, { root, optional }),
    );
    return listed.flatMap((rule: unknown, index) => {
      const at = `${path}.x-kubernetes-validations[${index}]`;
      if (!isRecord(rule)) return [];
      const options = environments[rule["optionalOldSelf"] === true ? 1 : 0];
      return this.#rule(rule, at, options as Environments) ?? [];
    });
  }

  #rule(rule: Record<string, unknown>, at: string, environments: Environments): Rule | undefined {
    const source = typeof rule["rule"] === "string" ? rule["rule"].trim() : "";
    if (source === "") return this.#fault(field.required(`${at}.rule`, "rule is not specified"));
    const test = compile(source, { ...environments, type: "bool" });
    if (test.fault !== undefined)
      return this.#fault(field.invalid(`${at}.rule`, source, `compilation failed: ${test.fault}`));
    const { reason = "FieldValueInvalid", fieldPath = "", message } = rule;
    if (!reasons.some((known) => known === reason))
      return this.#fault(field.notSupported(`${at}.reason`, reason, reasons));
    if (fieldPath !== "" && !/^(\.[A-Za-z_][\w-]*|\['[^']+'\])+$/.test(String(fieldPath)))
      return this.#fault(
        field.invalid(`${at}.fieldPath`, fieldPath, "fieldPath must be a valid path"),
      );
    const telling = this.#messageExpression(rule, at, environments);
    if (telling === false) return undefined;
    const optionalOldSelf = rule["optionalOldSelf"] === true;
    const transition = test.expression.uses("oldSelf");
    if (optionalOldSelf && !transition)
      return this.#fault(
        field.invalid(
          `${at}.optionalOldSelf`,
          true,
          "may not be set if oldSelf is not used in rule",
        ),
      );
    return {
      source,
      test: test.expression,
      transition,
      optionalOldSelf,
      message: typeof message === "string" && message !== "" ? message.trim() : undefined,
      messageExpression: telling,
      reason: reason as Rule["reason"],
      fieldPath: String(fieldPath),
    };
  }

  /** False: it does not compile, and that has been told. */
  #messageExpression(
    rule: Record<string, unknown>,
    at: string,
    environments: Environments,
  ): Expression | undefined | false {
    const source = rule["messageExpression"];
    if (typeof source !== "string" || source.trim() === "") return undefined;
    const compiled = compile(source, { ...environments, type: "string" });
    if (compiled.fault === undefined) return compiled.expression;
    const why = `messageExpression compilation failed: ${compiled.fault}`;
    this.#fault(field.invalid(`${at}.messageExpression`, source, why));
    return false;
  }

  #fault(cause: Cause): undefined {
    this.#report(cause);
  }
}

type Environments = Pick<CompileOptions, "checked" | "evaluated">;

function environmentsOf(
  schema: Schema,
  { root, optional }: { readonly root: boolean; readonly optional: boolean },
): Environments {
  const checked = newEnvironment();
  const type = new Types(checked).typeOf(schema, root);
  checked
    .registerVariable("self", type)
    .registerVariable("oldSelf", optional ? `optional<${type}>` : type);
  const evaluated = newEnvironment()
    .registerVariable("self", "dyn")
    .registerVariable("oldSelf", optional ? "optional<dyn>" : "dyn");
  return { checked, evaluated };
}
