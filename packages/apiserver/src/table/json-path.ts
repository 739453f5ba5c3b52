// JSONPath as Kubernetes' printer columns have it: ".spec.a", ".items[*].name", ".list[-1:]", ".c[?(@.type=='Ready')].s",
// ".metadata.annotations.a\.b/c", "..name". A path that leads nowhere has no results.
import { isRecord } from "../objects/json.ts";

/** From the values that a path has reached to those one step on. */
type Step = (values: readonly unknown[]) => unknown[];

export type JsonPath = (object: unknown) => readonly unknown[];

/** @throws SyntaxError for what is no path */
export function parseJsonPath(path: string): JsonPath {
  const steps = new Parser(path.replace(/^\{(.*)\}$/, "$1")).steps();
  return (object) => steps.reduce<readonly unknown[]>((values, step) => step(values), [object]);
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replace(/^\$/, "");
  }

  steps(): Step[] {
    const steps: Step[] = [];
    while (this.#at < this.#text.length) steps.push(this.#step());
    return steps;
  }

  #step(): Step {
    if (this.#take("..")) {
      const recursive: Step = (values) => values.flatMap(descendants);
      if (this.#text[this.#at] === "[") return recursive;
      const name = this.#name();
      return (values) => recursive(values).flatMap(field(name));
    }
    if (this.#take(".[")) return this.#bracket();
    if (this.#take(".")) {
      if (this.#take("*")) return (values) => values.flatMap(children);
      if (this.#at === this.#text.length) return (values) => [...values];
      const name = this.#name();
      return (values) => values.flatMap(field(name));
    }
    if (this.#take("[")) return this.#bracket();
    throw this.#fault();
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw this.#fault();
    this.#at += found.length;
    return found;
  }

  /** A dot within a name is written "\.". */
  #name(): string {
    return this.#match(/(?:\\.|[^.[\]\\\s])+/y).replaceAll(/\\(.)/g, "$1");
  }

  #bracket(): Step {
    if (this.#take("?(")) return this.#filter();
    if (this.#take("*]")) return (values) => values.flatMap(children);
    const inside = this.#match(/(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\]'"])+\]/y).slice(0, -1);
    const parts = [...inside.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,]+)/g)].map(
      ([, single, double, plain]) => {
        const quoted = single ?? double;
        return quoted === undefined ? this.#slice(plain?.trim() ?? "") : field(unescape(quoted));
      },
    );
    if (parts.length === 0) throw this.#fault();
    return (values) => values.flatMap((value) => parts.flatMap((part) => part(value)));
  }

  /** "0", "-1", "1:3", "::2" */
  #slice(text: string): (value: unknown) => unknown[] {
    if (/^-?\d+$/.test(text)) {
      const index = Number(text);
      return (value) => {
        const item: unknown = Array.isArray(value) ? value.at(index) : undefined;
        return item === undefined ? [] : [item];
      };
    }
    const found = /^(-?\d*)?:(-?\d*)?(?::(\d+))?$/.exec(text);
    if (!found) throw this.#fault();
    const [, from, to, by = "1"] = found;
    return (value) =>
      Array.isArray(value)
        ? value
            .slice(from ? Number(from) : 0, to ? Number(to) : undefined)
            .filter((_, index) => index % Math.max(1, Number(by)) === 0)
        : [];
  }

  /** "@.type=='Ready')]", "@.count > 3)]", "@.name)]" for what is there. */
  #filter(): Step {
    const inside = this.#match(/(?:'[^']*'|"[^"]*"|[^)'"]|\)(?!\]))+\)\]/y).slice(0, -2);
    const found =
      /^\s*@((?:'[^']*'|"[^"]*"|[^=<>!'"])*?)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*$/.exec(inside);
    if (!found) throw this.#fault();
    const [, path = "", operator, operand] = found;
    const left = parseJsonPath(path);
    const keep = (item: unknown): boolean => {
      const [value] = left(item);
      if (operator === undefined) return value !== undefined;
      const wanted = operandOf(operand as string, item);
      return value !== undefined && compare(value, operator, wanted);
    };
    return (values) => values.flatMap((value) => (Array.isArray(value) ? value.filter(keep) : []));
  }

  #fault(): SyntaxError {
    return new SyntaxError(
      `unexpected ${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))} in path`,
    );
  }
}

function operandOf(text: string, item: unknown): unknown {
  const quoted = /^'(.*)'$|^"(.*)"$/s.exec(text);
  if (quoted) return unescape(quoted[1] ?? quoted[2] ?? "");
  if (text.startsWith("@")) return parseJsonPath(text.slice(1))(item)[0];
  if (text === "true" || text === "false") return text === "true";
  return Number.isNaN(Number(text)) ? text : Number(text);
}

function compare(left: unknown, operator: string, right: unknown): boolean {
  switch (operator) {
    case "==":
      return left === right || String(left) === String(right);
    case "!=":
      return left !== right && String(left) !== String(right);
    default: {
      if (typeof left !== typeof right) return false;
      const [a, b] = [left as number, right as number];
      return operator === "<"
        ? a < b
        : operator === "<="
          ? a <= b
          : operator === ">"
            ? a > b
            : a >= b;
    }
  }
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, "$1");
}

function field(name: string): (value: unknown) => unknown[] {
  return (value) => (isRecord(value) && Object.hasOwn(value, name) ? [value[name]] : []);
}

function children(value: unknown): unknown[] {
  return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
}

function descendants(value: unknown): unknown[] {
  return [value, ...children(value).flatMap(descendants)];
}
