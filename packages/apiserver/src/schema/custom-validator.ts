// All that a definition's schema demands of an object: its types and bounds, unique items, embedded resources, rules.
import { field, type Cause } from "../errors.ts";
import { isRecord } from "../objects/json.ts";
import { compileRules, type RuleTree } from "./cel/compile-rules.ts";
import { evaluateRules } from "./cel/evaluate-rules.ts";
import { duplicateCauses } from "./list-rules.ts";
import type { Schema } from "./structural.ts";
import { validatorFor, type Validator } from "./validator.ts";

/** A validator for the schema of a definition that was accepted. Compiled when it is first needed. */
export function customValidatorFor(schema: Schema): Validator {
  const validate = validatorFor(schema);
  let rules: { readonly tree: RuleTree | undefined } | undefined;
  return (object, before) => {
    rules ??= { tree: compileRules(schema) };
    const causes = [
      ...validate(object),
      ...duplicateCauses(schema, object),
      ...resourceCauses(schema, object, ""),
    ];
    if (causes.length === 0) return rules.tree ? evaluateRules(rules.tree, object, before) : [];
    return rules.tree ? [...causes, notAsked] : causes;
  };
}

/** Rules rely on what the schema demands: they are not asked of an object that is wrong already. */
const notAsked: Cause = {
  reason: "FieldValueInvalid",
  message:
    'Invalid value: "null": some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
  field: "<nil>",
};

/** Is this a cause of a rule about the whole object? */
export function isRootRule(cause: Cause): boolean {
  return cause.field === notAsked.field && cause !== notAsked;
}

/** x-kubernetes-embedded-resource: an object within the object says what it is. */
function resourceCauses(schema: Schema, value: unknown, path: string): Cause[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isRecord(items)
      ? value.flatMap((item, index) => resourceCauses(items, item, `${path}[${index}]`))
      : [];
  }
  if (!isRecord(value)) return [];
  const { properties, additionalProperties } = schema;
  const causes =
    schema["x-kubernetes-embedded-resource"] === true
      ? ["apiVersion", "kind"]
          .filter((name) => typeof value[name] !== "string" || value[name] === "")
          .map((name) => field.required(`${path}.${name}`, "must not be empty"))
      : [];
  for (const [name, part] of Object.entries(value)) {
    const known = isRecord(properties) && Object.hasOwn(properties, name);
    const below = known ? properties[name] : additionalProperties;
    const at = known ? (path === "" ? name : `${path}.${name}`) : `${path}[${name}]`;
    if (isRecord(below)) causes.push(...resourceCauses(below, part, at));
  }
  return causes;
}
