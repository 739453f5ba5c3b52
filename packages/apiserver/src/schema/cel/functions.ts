// What Kubernetes adds to CEL for rules: lists, regular expressions, sets, URLs, text.
// https://kubernetes.io/docs/reference/using-api/cel/
import type { Environment } from "@marcbachmann/cel-js";
import { RE2JS } from "re2js";

type List = readonly unknown[];

/** `sets.` in expressions. */
class Sets {}
class CelUrl {
  readonly url: URL;
  readonly text: string;
  constructor(text: string) {
    this.text = text;
    this.url = new URL(text.startsWith("/") ? `none://none${text}` : text);
  }
}

export function addFunctions(environment: Environment): void {
  addLists(environment);
  addText(environment);
  addUrls(environment);
  addSets(environment);
}

function less(left: unknown, right: unknown): boolean {
  return (left as number) < (right as number);
}

export function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (left instanceof Date && right instanceof Date) return left.getTime() === right.getTime();
  if (Array.isArray(left) && Array.isArray(right))
    return left.length === right.length && left.every((item, index) => equal(item, right[index]));
  if (left instanceof Map && right instanceof Map)
    return (
      left.size === right.size &&
      [...left].every(([key, value]) => right.has(key) && equal(value, right.get(key)))
    );
  const numbers = [left, right].every(
    (value) => typeof value === "bigint" || typeof value === "number",
  );
  // eslint-disable-next-line eqeqeq -- 1n and 1 are equal in CEL
  return numbers && left == right;
}

function addLists(environment: Environment): void {
  const extreme = (list: List, better: (left: unknown, right: unknown) => boolean): unknown => {
    if (list.length === 0) throw new Error("min or max called on empty list");
    return list.reduce((best, item) => (better(item, best) ? item : best));
  };
  const sum = (list: List): unknown =>
    list.length === 0
      ? 0n
      : list.reduce((total, item) => ((total as number) + (item as number)) as unknown);
  environment
    .registerFunction("list.isSorted(): bool", (list: List) =>
      list.every((item, index) => index === 0 || !less(item, list[index - 1])),
    )
    .registerFunction("list.sum(): dyn", sum)
    .registerFunction("list.min(): dyn", (list: List) => extreme(list, less))
    .registerFunction("list.max(): dyn", (list: List) => extreme(list, (a, b) => less(b, a)))
    .registerFunction("list.indexOf(dyn): int", (list: List, wanted: unknown) =>
      BigInt(list.findIndex((item) => equal(item, wanted))),
    )
    .registerFunction("list.lastIndexOf(dyn): int", (list: List, wanted: unknown) =>
      BigInt(list.findLastIndex((item) => equal(item, wanted))),
    );
}

/** Text that CEL counts in code points. */
function addText(environment: Environment): void {
  const findAll = (text: string, pattern: string, limit = -1n): string[] => {
    const matcher = RE2JS.compile(pattern).matcher(text);
    const found: string[] = [];
    while ((limit < 0n || found.length < limit) && matcher.find())
      found.push(matcher.group() ?? "");
    return found;
  };
  environment
    .registerFunction("string.matchesRe2(string): bool", (text: string, pattern: string) =>
      RE2JS.compile(pattern).matcher(text).find(),
    )
    .registerFunction(
      "string.find(string): string",
      (text: string, pattern: string) => findAll(text, pattern, 1n)[0] ?? "",
    )
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) =>
      findAll(text, pattern),
    )
    .registerFunction("string.findAll(string, int): list<string>", findAll)
    .registerFunction(
      "string.charAt(int): string",
      (text: string, at: bigint) => [...text][Number(at)] ?? "",
    )
    .registerFunction(
      "string.replace(string, string): string",
      (text: string, old: string, by: string) => text.replaceAll(old, () => by),
    )
    .registerFunction(
      "string.replace(string, string, int): string",
      (text: string, old: string, by: string, limit: bigint) => {
        let left = limit < 0n ? Infinity : Number(limit);
        return text.replaceAll(old, (found) => (left-- > 0 ? by : found));
      },
    )
    .registerFunction("string.reverse(): string", (text: string) =>
      [...text].toReversed().join(""),
    );
}

function addUrls(environment: Environment): void {
  const isUrl = (text: string) => URL.canParse(text) || text.startsWith("/");
  const host = ({ url, text }: CelUrl) => (text.startsWith("/") ? "" : url.host);
  environment
    .registerType("URL", CelUrl)
    .registerFunction("isURL(string): bool", isUrl)
    .registerFunction("url(string): URL", (text: string) => {
      if (!isUrl(text)) throw new Error(`URL parse error during conversion from string: ${text}`);
      return new CelUrl(text);
    })
    .registerFunction("URL.getScheme(): string", ({ url, text }: CelUrl) =>
      text.startsWith("/") ? "" : url.protocol.slice(0, -1),
    )
    .registerFunction("URL.getHost(): string", host)
    .registerFunction("URL.getHostname(): string", ({ url, text }: CelUrl) =>
      text.startsWith("/") ? "" : url.hostname.replace(/^\[(.*)\]$/, "$1"),
    )
    .registerFunction("URL.getPort(): string", ({ url }: CelUrl) => url.port)
    .registerFunction("URL.getEscapedPath(): string", ({ url, text }: CelUrl) =>
      url.pathname === "/" && !/[^/]\/($|[?#])|^\//.test(text) ? "" : url.pathname,
    )
    .registerFunction("URL.getQuery(): map<string, list<string>>", ({ url }: CelUrl) => {
      const query = new Map<string, string[]>();
      for (const [key, value] of url.searchParams)
        query.set(key, [...(query.get(key) ?? []), value]);
      return query;
    });
}

function addSets(environment: Environment): void {
  const includes = (list: List, wanted: unknown) => list.some((item) => equal(item, wanted));
  const contains = (_: Sets, list: List, part: List) => part.every((item) => includes(list, item));
  environment
    .registerType("SetsNamespace", Sets)
    .registerConstant("sets", "SetsNamespace", new Sets())
    .registerFunction("SetsNamespace.contains(list<dyn>, list<dyn>): bool", contains)
    .registerFunction(
      "SetsNamespace.equivalent(list<dyn>, list<dyn>): bool",
      (sets: Sets, a: List, b: List) => contains(sets, a, b) && contains(sets, b, a),
    )
    .registerFunction(
      "SetsNamespace.intersects(list<dyn>, list<dyn>): bool",
      (_: Sets, a: List, b: List) => a.some((item) => includes(b, item)),
    );
}
