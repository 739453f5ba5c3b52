// Label and field selectors: parsed once per request into a predicate.
import { badRequest } from "../errors.ts";
import { labelKeyFault, labelValueFault } from "./names.ts";

type Labels = Readonly<Record<string, string>>;
export type LabelPredicate = (labels: Labels) => boolean;
export type FieldPredicate = (fields: Labels) => boolean;

/**
 * "a=b,c!=d,e in (f,g),h notin (i),j,!k". Undefined for an empty selector: everything matches.
 * @throws ApiError BadRequest
 */
export function parseLabelSelector(text: string): LabelPredicate | undefined {
  const requirements = splitTopLevel(text).map(parseRequirement);
  if (requirements.length === 0) return undefined;
  return (labels) => requirements.every((matches) => matches(labels));
}

/** Splits at commas that are not within parentheses; drops what is blank. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index <= text.length; index++) {
    const character = text[index];
    if (character === "(") depth += 1;
    else if (character === ")") depth -= 1;
    else if (character === undefined || (character === "," && depth === 0)) {
      parts.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  return parts.filter((part) => part !== "");
}

function parseRequirement(text: string): LabelPredicate {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set) {
    const key = checkedKey(set[1] ?? "", text);
    const values = new Set(
      (set[3] ?? "").split(",").map((value) => checkedValue(value.trim(), text)),
    );
    return set[2] === "in"
      ? (labels) => labels[key] !== undefined && values.has(labels[key])
      : (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  const ordered = /^([^=!<>\s]+)\s*([<>])\s*(\S+)$/.exec(text);
  if (ordered) {
    const key = checkedKey(ordered[1] ?? "", text);
    if (!/^-?\d{1,15}$/.test(ordered[3] ?? ""))
      throw badRequest(
        `unable to parse requirement: ${text}: for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    const bound = Number(ordered[3]);
    return (labels) => {
      const value = /^-?\d{1,15}$/.test(labels[key] ?? "") ? Number(labels[key]) : Number.NaN;
      return ordered[2] === ">" ? value > bound : value < bound;
    };
  }
  const compare = /^([^=!\s]+)\s*(=|==|!=)\s*([^=!\s]*)$/.exec(text);
  if (compare) {
    const key = checkedKey(compare[1] ?? "", text);
    const value = checkedValue(compare[3] ?? "", text);
    return compare[2] === "!="
      ? (labels) => labels[key] !== value
      : (labels) => labels[key] === value;
  }
  const exists = /^(!?)\s*([^=!\s()]+)$/.exec(text);
  if (!exists) throw badRequest(`unable to parse requirement: ${text}`);
  const key = checkedKey(exists[2] ?? "", text);
  return exists[1] === "!"
    ? (labels) => labels[key] === undefined
    : (labels) => labels[key] !== undefined;
}

function checkedKey(key: string, text: string): string {
  const fault = labelKeyFault(key);
  if (fault) throw badRequest(`unable to parse requirement: ${text}: ${fault}`);
  return key;
}

function checkedValue(value: string, text: string): string {
  const fault = labelValueFault(value);
  if (fault) throw badRequest(`unable to parse requirement: ${text}: ${fault}`);
  return value;
}

/**
 * "spec.nodeName=node-1,status.phase!=Running". Undefined for an empty selector.
 * @throws ApiError BadRequest for a field that the resource cannot be selected by.
 */
export function parseFieldSelector(
  text: string,
  supported: ReadonlySet<string>,
): FieldPredicate | undefined {
  // A comma, an equals sign or a backslash in a value stands after a backslash.
  const requirements = (text.match(/(?:\\.|[^,\\])+|\\$/gs) ?? []).flatMap((part) => {
    if (part.trim() === "") return [];
    const found = /^\s*([^=!]+?)\s*(!=|==|=)\s*((?:\\[\\,=]|[^\\=])*?)\s*$/s.exec(part);
    if (!found)
      throw badRequest(
        `invalid selector: ${JSON.stringify(text)}; can't understand ${JSON.stringify(part)}`,
      );
    const [, name = "", operator, escaped = ""] = found;
    const value = escaped.replace(/\\(.)/gs, "$1");
    if (!supported.has(name)) throw badRequest(`field label not supported: ${name}`);
    return [{ name, value, equal: operator !== "!=" }];
  });
  if (requirements.length === 0) return undefined;
  return (fields) =>
    requirements.every(({ name, value, equal }) => ((fields[name] ?? "") === value) === equal);
}

/** A LabelSelector object ({matchLabels, matchExpressions}) against labels. An empty selector matches all. */
export function selectorMatches(
  selector: {
    readonly matchLabels?: Labels;
    readonly matchExpressions?: readonly {
      readonly key: string;
      readonly operator: string;
      readonly values?: readonly string[];
    }[];
  },
  labels: Labels,
): boolean {
  const equal = Object.entries(selector.matchLabels ?? {}).every(
    ([key, value]) => labels[key] === value,
  );
  return (
    equal &&
    (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
        default:
          return false;
      }
    })
  );
}
