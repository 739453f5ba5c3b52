// The CEL environment of Kubernetes' rules, and expressions compiled in it.
import { Environment, type ParseResult } from "@marcbachmann/cel-js";
import { addFunctions } from "./functions.ts";
import { addAddresses, addQuantities } from "./kubernetes-types.ts";
import { type Meter, visitNodes, type Node } from "./meter.ts";

const options = {
  enableOptionalTypes: true,
  limits: { maxAstNodes: 10_000, maxDepth: 100 },
} as const;

let base: Environment | undefined;

/** A fresh environment with all functions and no variables. */
export function newEnvironment(): Environment {
  if (!base) {
    base = new Environment(options);
    addFunctions(base);
    addQuantities(base);
    addAddresses(base);
  }
  return base.clone();
}

export type Variables = Readonly<Record<string, unknown>>;

/** An expression that is ready to be evaluated as often as one likes. */
export type Expression = {
  /** @throws Error what is wrong with the values; CostExceeded */
  readonly evaluate: (variables: Variables, meter: Meter) => unknown;
  readonly uses: (variable: string) => boolean;
};

export type Compiled =
  | { readonly expression: Expression; readonly fault?: undefined }
  | { readonly fault: string };

/**
 * @param checked variables with their types; where `evaluated` is given, that is the environment for evaluation, whose
 *   variables have none
 */
export function compile(source: string, { checked, evaluated, type }: CompileOptions): Compiled {
  try {
    const judged = prepare(checked.parse(source));
    visitNodes(judged.ast, checkHas);
    const found = judged.check();
    if (!found.valid) return { fault: firstLine(found.error) };
    if (found.type !== type && found.type !== "dyn")
      return { fault: `cel expression must evaluate to a ${type}` };
    const parsed = evaluated ? prepare(evaluated.parse(source)) : judged;
    if (evaluated) {
      const again = parsed.check();
      if (!again.valid) return { fault: firstLine(again.error) };
    }
    return { expression: toExpression(parsed) };
  } catch (error) {
    return { fault: firstLine(error) };
  }
}

export type CompileOptions = {
  readonly checked: Environment;
  readonly evaluated?: Environment;
  /** What the expression must evaluate to. */
  readonly type: "bool" | "string";
};

/** Regular expressions are RE2's: no pattern takes more than linear time. */
function prepare(parsed: ParseResult): ParseResult {
  visitNodes(parsed.ast, (node) => {
    const args = node["args"];
    if (node["op"] === "rcall" && Array.isArray(args) && args[0] === "matches")
      args[0] = "matchesRe2";
  });
  return parsed;
}

type Macro = {
  readonly args: readonly unknown[];
  typeCheck: (
    checker: { check(node: unknown, context: unknown): unknown },
    macro: Macro,
    context: unknown,
  ) => unknown;
};

/** The library takes any field in `has(self.field)`; Kubernetes only those that the type has. */
function checkHas(node: Node): void {
  const { op, args, meta } = node as { op?: unknown; args?: unknown; meta?: { macro?: Macro } };
  const macro = meta?.macro;
  if (op !== "call" || !Array.isArray(args) || args[0] !== "has" || !macro) return;
  const { typeCheck } = macro;
  macro.typeCheck = (checker, self, context) => {
    checker.check(self.args[0], context);
    return typeCheck(checker, self, context);
  };
}

function toExpression(parsed: ParseResult): Expression {
  // The meter of whoever evaluates now: loops look it up when they turn. Evaluation is synchronous.
  let current: Meter | undefined;
  const size = meterLoops(parsed.ast as unknown as Node, () => current);
  return {
    evaluate(variables, meter) {
      current = meter;
      try {
        meter.spend(size);
        return parsed(variables);
      } finally {
        current = undefined;
      }
    },
    uses(variable) {
      let found = false;
      visitNodes(parsed.ast, (node) => {
        if (node["op"] === "id" && node["args"] === variable) found = true;
      });
      return found;
    },
  };
}

/** Makes each turn of a loop pay for the nodes it repeats. Answers the expression's own size. */
function meterLoops(ast: Node, meter: () => Meter | undefined): number {
  let size = 0;
  visitNodes(ast, (node) => {
    size += 1;
    if (typeof node["iterVarName"] !== "string" || !("step" in node)) return;
    const condition = node["condition"] as ((value: unknown) => boolean) | undefined;
    let steps = 0;
    visitNodes(node["step"], () => (steps += 1));
    node["condition"] = (value: unknown) => {
      meter()?.spend(steps);
      return condition ? condition(value) : true;
    };
  });
  return size;
}

export function firstLine(error: unknown): string {
  return (error as Error).message.split("\n", 1)[0] ?? "";
}
