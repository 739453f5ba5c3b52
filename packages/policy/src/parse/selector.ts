// Label selectors: matchLabels and matchExpressions as requirements.
import type { LabelSelector, Requirement } from "../model.ts";
import type { Field } from "./field.ts";
import type { KeyReader, LabelKey } from "./label-key.ts";
import { isLabelValue } from "./label-syntax.ts";

const operators = ["In", "NotIn", "Exists", "DoesNotExist"] as const;

/** A selector that must be there. `{}` selects everything, and what is no selector is a problem. */
export function parseSelector(field: Field, readKey: KeyReader): LabelSelector {
  if (!field.isObject()) return [];
  field.only(["matchLabels", "matchExpressions"]);
  return [
    ...(field.narrowing("matchLabels").entries() ?? []).flatMap(([key, value]) =>
      parseEquality(key, value, readKey),
    ),
    ...(field.narrowing("matchExpressions").items() ?? []).flatMap((item) =>
      parseExpression(item, readKey),
    ),
  ];
}

function parseEquality(text: string, value: Field, readKey: KeyReader): Requirement[] {
  const key = parseKey(value, text, readKey);
  if (!value.isGiven) value.problem("required");
  const wanted = parseValue(value);
  return key && wanted !== undefined ? [{ ...key, operator: "In", values: [wanted] }] : [];
}

function parseExpression(item: Field, readKey: KeyReader): Requirement[] {
  if (!item.isObject()) return [];
  item.only(["key", "operator", "values"]);
  const text = item.at("key").name();
  const key = text === undefined ? undefined : parseKey(item.at("key"), text, readKey);
  item.at("operator").name();
  const operator = item.at("operator").oneOf(operators);
  const list = item.at("values");
  const values = (list.items() ?? []).flatMap((value) => parseValue(value) ?? []);
  if (key === undefined || operator === undefined) return [];
  const takesValues = operator === "In" || operator === "NotIn";
  if (takesValues && values.length === 0) list.problem(`${operator} needs values`);
  if (!takesValues && values.length > 0) list.problem(`${operator} takes no values`);
  return [{ ...key, operator, values }];
}

function parseKey(field: Field, text: string, readKey: KeyReader): LabelKey | undefined {
  const key = readKey(text);
  if (key === undefined) field.problem(`${JSON.stringify(text.slice(0, 100))} is no label key`);
  return key;
}

function parseValue(field: Field): string | undefined {
  const text = field.text();
  if (text === undefined || isLabelValue(text)) return text;
  field.problem(
    "is no label value: at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends",
  );
  return undefined;
}
