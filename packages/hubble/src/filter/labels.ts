// source_label, destination_label, node_labels.
import { type Condition, onEndpoint, onFlow, rememberObjects, type Side } from "./condition.ts";
import { FilterError } from "./error.ts";
import { parseSelector, SelectorError, selects } from "./label-selector.ts";

/** One of the selectors selects the endpoint's labels. @throws FilterError */
export function onLabels(field: string, values: readonly string[], side: Side): Condition {
  const isWanted = compile(field, values);
  return onEndpoint(side, ({ labels }) => isWanted(labels));
}

/** The same for the labels of the node that saw the flow. @throws FilterError */
export function onNodeLabels(field: string, values: readonly string[]): Condition {
  const isWanted = rememberObjects(compile(field, values));
  return onFlow(3, ({ nodeLabels }) => isWanted(nodeLabels));
}

function compile(field: string, values: readonly string[]): (labels: readonly string[]) => boolean {
  const selectors = values.map((value) => {
    try {
      return parseSelector(value);
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      const reason = `not a label selector: ${error.message}`;
      throw new FilterError({ field, value, reason }, { cause: error });
    }
  });
  return (labels) => selectors.some((selector) => selects(selector, labels));
}
