// Kubernetes label selectors over labels with sources: "k8s:app in (web, api), !reserved:host, tier". A key without a
// source is one of any source ("any:"). Operators, quirks and limits are those of k8s.io/apimachinery's labels.Parse.
import { AddressError, type Label, parseLabel, Prefix } from "@tsilium/net";
import { isLabelKey, isLabelValue } from "./label-syntax.ts";

export type LabelSelector = readonly Requirement[];

type Requirement = {
  /** "any" matches every source. */
  readonly source: string;
  readonly key: string;
} & (
  | { readonly operator: "exists" | "absent" }
  | { readonly operator: "in" | "notin"; readonly values: ReadonlySet<string> }
  | { readonly operator: ">" | "<"; readonly bound: bigint }
);

/** What is wrong with a selector: `message` is the reason. */
export class SelectorError extends Error {
  override readonly name = "SelectorError";
}

/** Reads a selector; "" is the one that selects everything. @throws SelectorError */
export function parseSelector(text: string): LabelSelector {
  const requirements: Requirement[] = [];
  const scanner = new Scanner(text);
  if (scanner.atEnd()) return requirements;
  do requirements.push(parseRequirement(scanner));
  while (scanner.take(","));
  if (!scanner.atEnd()) throw scanner.unexpected("a comma or the end");
  return requirements;
}

/** Whether labels ("k8s:app=web") satisfy all requirements. What is not a label is passed over. */
export function selects(selector: LabelSelector, labels: readonly string[]): boolean {
  const parsed = labels.flatMap(tryLabel).sort((a, b) => compareText(a.key, b.key));
  return selector.every((requirement) => isSatisfied(requirement, parsed));
}

function tryLabel(text: string): Label[] {
  try {
    return [parseLabel(text)];
  } catch (error) {
    if (error instanceof AddressError) return [];
    throw error;
  }
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function isSatisfied(requirement: Requirement, labels: readonly Label[]): boolean {
  const found = labels.find((label) => hasKey(label, requirement));
  switch (requirement.operator) {
    case "exists":
      return found !== undefined;
    case "absent":
      return found === undefined;
    case "in":
      return found !== undefined && requirement.values.has(found.value);
    case "notin":
      return found === undefined || !requirement.values.has(found.value);
    case ">":
    case "<": {
      const value = found && parseInteger(found.value);
      if (value === undefined) return false;
      return requirement.operator === ">" ? value > requirement.bound : value < requirement.bound;
    }
  }
}

/** A cidr label belongs to every wider prefix, too: "cidr:10.0.0.0/8" selects "cidr:10.1.0.0/16". */
function hasKey(label: Label, { source, key }: Requirement): boolean {
  if (source === "any") return label.key === key;
  if (label.source !== source) return false;
  if (label.key === key) return true;
  if (source !== "cidr") return false;
  const [wide, narrow] = [cidrOf(key), cidrOf(label.key)];
  return wide !== undefined && narrow !== undefined && wide.contains(narrow);
}

/** In labels, IPv6 prefixes have "-" for ":". */
function cidrOf(key: string): Prefix | undefined {
  return Prefix.tryParse(key) ?? Prefix.tryParse(key.replaceAll("-", ":"));
}

function parseRequirement(scanner: Scanner): Requirement {
  if (scanner.take("!")) return { ...parseKey(scanner), operator: "absent" };
  const key = parseKey(scanner);
  if (scanner.atEnd() || scanner.peek(",")) return { ...key, operator: "exists" };
  if (scanner.take("!=")) return { ...key, operator: "notin", values: parseValue(scanner) };
  if (scanner.take("==") || scanner.take("="))
    return { ...key, operator: "in", values: parseValue(scanner) };
  if (scanner.take(">")) return { ...key, operator: ">", bound: parseBound(scanner) };
  if (scanner.take("<")) return { ...key, operator: "<", bound: parseBound(scanner) };
  const word = scanner.word();
  if (word === "in" || word === "notin")
    return { ...key, operator: word, values: parseValues(scanner) };
  throw scanner.unexpected("one of =, ==, !=, in, notin, <, >", word);
}

function parseKey(scanner: Scanner): { readonly source: string; readonly key: string } {
  const text = scanner.word();
  if (text === "") throw scanner.unexpected("a key");
  const colon = text.indexOf(":");
  const source = colon < 0 ? "any" : text.slice(0, colon);
  const key = text.slice(colon + 1);
  // As one word, as Kubernetes sees it in Cilium: the source is a part of the key.
  if (!isLabelKey(`${source}.${key}`))
    throw new SelectorError(`${JSON.stringify(text)} is not a label's key`);
  return { source, key };
}

/** After "=": nothing is the empty value. */
function parseValue(scanner: Scanner): ReadonlySet<string> {
  return new Set([checkValue(scanner.word())]);
}

/** "(a, b)". "()" holds the empty value, and so does "(a,)". */
function parseValues(scanner: Scanner): ReadonlySet<string> {
  if (!scanner.take("(")) throw scanner.unexpected('"("');
  const values = new Set<string>();
  do values.add(checkValue(scanner.word()));
  while (scanner.take(","));
  if (!scanner.take(")")) throw scanner.unexpected('a comma or ")"');
  return values;
}

function checkValue(value: string): string {
  if (isLabelValue(value)) return value;
  throw new SelectorError(`${JSON.stringify(value)} is not a label's value`);
}

function parseBound(scanner: Scanner): bigint {
  const word = scanner.word();
  const bound = parseInteger(word);
  if (bound === undefined) throw scanner.unexpected("an integer", word);
  return bound;
}

/** A signed 64-bit decimal number. */
function parseInteger(text: string): bigint | undefined {
  if (!/^[-+]?[0-9]{1,40}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** A position in the text; every question passes over blanks first. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    this.#skipBlanks();
    return this.#at === this.#text.length;
  }

  peek(symbol: string): boolean {
    this.#skipBlanks();
    return this.#text.startsWith(symbol, this.#at);
  }

  /** Goes past `symbol` if it is next. */
  take(symbol: string): boolean {
    if (!this.peek(symbol)) return false;
    this.#at += symbol.length;
    return true;
  }

  /** What comes before the next blank or symbol, "" if a symbol or the end is next. */
  word(): string {
    this.#skipBlanks();
    const start = this.#at;
    while (this.#at < this.#text.length && !" \t\r\n=!(),<>".includes(this.#char())) this.#at++;
    return this.#text.slice(start, this.#at);
  }

  unexpected(expected: string, found?: string): SelectorError {
    const next = found || this.#text.slice(this.#at, this.#at + 20);
    const what = next === "" ? "the end" : JSON.stringify(next);
    return new SelectorError(`found ${what}, expected ${expected}`);
  }

  #char(): string {
    return this.#text[this.#at] as string;
  }

  #skipBlanks(): void {
    while (this.#at < this.#text.length && " \t\r\n".includes(this.#char())) this.#at++;
  }
}
