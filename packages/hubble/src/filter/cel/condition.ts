// experimental.cel_expression.
import { ParseError } from "@marcbachmann/cel-js";
import type { Flow } from "../../model.ts";
import { type Condition, onFlow } from "../condition.ts";
import { FilterError } from "../error.ts";
import { type Code, compileNode, type Frame, type Node, UnsupportedError } from "./compile.ts";
import { flowSchema, type Schema } from "./schema.ts";
import { CelFailure } from "./value.ts";

/** Cilium's limit, in characters. */
const longestExpression = 4_096;
/**
 * What one flow may cost, in units of about 20 ns; Cilium's number, but for all expressions of a request together. One that
 * needs more has no value.
 */
const budget = 100_000;

let schema: Schema | undefined;

/**
 * One of the expressions is true, asked in turn. One that has no value for the flow (a list's element that is not there, a
 * cost over the budget) ends the asking: no match, as in Cilium. @param share of the budget that each expression may use
 * @throws FilterError
 */
export function onCel(field: string, expressions: readonly string[], share = 1): Condition {
  const codes = expressions.map((expression) => compileExpression(field, expression));
  const frame: Frame = { flow: undefined as unknown as Flow, variables: [], left: 0 };
  return onFlow(100 * codes.length, (flow) => {
    try {
      frame.flow = flow;
      return codes.some((code) => {
        frame.left = budget * share;
        return code(frame) === true;
      });
    } catch (error) {
      if (error instanceof CelFailure) return false;
      throw error;
    }
  });
}

function compileExpression(field: string, value: string): Code {
  const refuse = (reason: string, cause?: unknown) =>
    new FilterError({ field, value, reason }, { cause });
  if (value.length > longestExpression) throw refuse(`longer than ${longestExpression} characters`);
  schema ??= flowSchema();
  const root = parse(schema, value, refuse);
  const type = root.checkedType?.name;
  if (type !== "bool" && type !== "dyn") throw refuse(`has type ${type}, not bool`);
  try {
    return compileNode(root, { schema, field, slots: new Map() });
  } catch (error) {
    if (error instanceof UnsupportedError) throw refuse(error.message, error);
    throw error;
  }
}

/** @throws FilterError what does not parse or has wrong types */
function parse(
  { environment }: Schema,
  text: string,
  refuse: (reason: string, cause?: unknown) => FilterError,
): Node {
  try {
    const parsed = environment.parse(text);
    const { valid, error } = parsed.check();
    if (!valid) throw refuse(error?.summary ?? "wrong types", error);
    return parsed.ast as Node;
  } catch (error) {
    if (error instanceof ParseError) throw refuse(error.summary, error);
    throw error;
  }
}
