// Which selectors match a name. Exact names are looked up; patterns are tried only where their literal end fits:
//
//   *.eu.shop.example, api-*.shop.example, *   -->   "eu.shop.example", "shop.example", ""
import { compileDnsPattern, type DnsNameMatcher, normalizeDnsName } from "@tsilium/net";
import type { FqdnSelector } from "./model.ts";

type Pattern = { readonly key: string; readonly matches: DnsNameMatcher };

export class SelectorIndex {
  readonly #keys: readonly string[];
  readonly #names = new Set<string>();
  /** By the labels at their end that have no `*`. */
  readonly #patterns = new Map<string, Pattern[]>();

  constructor(selectors: readonly FqdnSelector[]) {
    const byKey = new Map(selectors.flatMap(splitSelector));
    this.#keys = [...byKey.keys()].sort();
    for (const [key, selector] of byKey) {
      if (!key.includes("*")) {
        this.#names.add(key);
        continue;
      }
      const end = literalEnd(key);
      const sameEnd = this.#patterns.get(end) ?? [];
      sameEnd.push({ key, matches: compileDnsPattern(selector) });
      this.#patterns.set(end, sameEnd);
    }
  }

  /** Every selector, sorted, each once. */
  get keys(): readonly string[] {
    return this.#keys;
  }

  /** Keys of those that match a name as `normalizeDnsName` makes it, sorted. */
  match(name: string): readonly string[] {
    const found = this.#names.has(name) ? [name] : [];
    if (this.#patterns.size > 0)
      for (const end of endsOf(name))
        for (const { key, matches } of this.#patterns.get(end) ?? [])
          if (matches(name)) found.push(key);
    return found.length > 1 ? found.sort() : found;
  }
}

/** The text that identifies a selector, and is the key of its label: "api.shop.example", "*.shop.example". */
export function selectorKey({ matchName, matchPattern }: FqdnSelector): string {
  return normalizeDnsName(matchName ?? matchPattern ?? "");
}

/** The selector that a text of a policy is. */
export function selectorOf(text: string): FqdnSelector {
  return text.includes("*") ? { matchPattern: text } : { matchName: text };
}

/** What a selector matches as a regular expression, for people. */
export function selectorRegex(key: string): string {
  const label = "[-a-zA-Z0-9_]";
  if (key === "*") return `^(${label}+[.])*$`;
  const anyDepth = key.startsWith("**.");
  const rest = (anyDepth ? key.slice(3) : key).replaceAll(/[^-a-z0-9_]/g, (character) =>
    character === "*" ? `${label}*` : character === "." ? "[.]" : `\\${character}`,
  );
  return `^${anyDepth ? `(${label}+[.])+` : ""}${rest}[.]$`;
}

/** One with both a name and a pattern is two. */
function splitSelector({ matchName, matchPattern }: FqdnSelector): [string, FqdnSelector][] {
  const parts: FqdnSelector[] = [
    ...(matchName === undefined ? [] : [{ matchName }]),
    ...(matchPattern === undefined ? [] : [{ matchPattern }]),
  ];
  return (
    parts
      .map((part): [string, FqdnSelector] => [selectorKey(part), part])
      // No label has an empty key; the root has no addresses.
      .filter(([key]) => key !== "")
  );
}

function literalEnd(pattern: string): string {
  const labels = pattern.split(".");
  return labels.slice(labels.findLastIndex((label) => label.includes("*")) + 1).join(".");
}

/** "a.b.c" -> "a.b.c", "b.c", "c", "" */
function* endsOf(name: string): Generator<string, void> {
  if (name !== "") yield name;
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1))
    yield name.slice(dot + 1);
  yield "";
}
