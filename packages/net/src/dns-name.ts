// DNS names as text, and what policy says of them. Names are lower case and without the final dot; the root is "".
// Bytes that no host name has are written "\DDD" by whoever reads them off the wire: a label that contains a dot is
// never taken for two labels, and no pattern but "*" matches such a name.

/** One of the two, as in Cilium's rules: an exact name, or a pattern. */
export type DnsPattern = { readonly matchName?: string; readonly matchPattern?: string };

export type DnsNameMatcher = (name: string) => boolean;

/** The name in lower case (ASCII letters alone have one) and without its final dot. */
export function normalizeDnsName(name: string): string {
  const lower = /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (part) => part.toLowerCase()) : name;
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/**
 * Compiles a rule to a test of normalised names, which takes time linear in the name's length whatever the pattern is.
 *
 * In patterns, `*` is any number of letters, digits, "-" and "_" within one label, none included; `**.` at the start is
 * one label or more; and `*` alone is any name, the root too. So "*.example.com" is neither "example.com" nor
 * "a.b.example.com". With both a name and a pattern either may match; with neither, nothing matches.
 */
export function compileDnsPattern({ matchName, matchPattern }: DnsPattern): DnsNameMatcher {
  const byName = matchName === undefined ? undefined : exactly(normalizeDnsName(matchName));
  const byPattern = matchPattern === undefined ? undefined : like(normalizeDnsName(matchPattern));
  if (byName && byPattern) return (name) => byName(name) || byPattern(name);
  return byName ?? byPattern ?? (() => false);
}

function exactly(wanted: string): DnsNameMatcher {
  return (name) => name === wanted;
}

function like(pattern: string): DnsNameMatcher {
  if (pattern === "*") return () => true;
  if (!pattern.includes("*")) return exactly(pattern);
  const anyDepth = pattern.startsWith("**.");
  const labels = (anyDepth ? pattern.slice(3) : pattern).split(".").map(labelMatcher);
  return (name) => matchLabels(name, labels, anyDepth);
}

/** From the last label to the first; with `anyDepth` there must be one label more, and there may be any number. */
function matchLabels(name: string, labels: readonly DnsNameMatcher[], anyDepth: boolean): boolean {
  let end = name.length;
  for (let index = labels.length - 1; index >= 0; index--) {
    if (end <= 0) return false;
    const start = name.lastIndexOf(".", end - 1) + 1;
    if (!(labels[index] as DnsNameMatcher)(name.slice(start, end))) return false;
    // -1 once the first label is used up: what is left is nothing, not even an empty label.
    end = start - 1;
  }
  return anyDepth ? end > 0 && plainLabels.test(name.slice(0, end)) : end < 0;
}

const plainLabel = /^[-a-z0-9_]+$/;
// No two parts of this can match the same text in two ways: a regular expression without backtracking.
const plainLabels = /^[-a-z0-9_]+(?:\.[-a-z0-9_]+)*$/;

/** The leftmost place of each literal is as good as any other, so there is no going back. */
function labelMatcher(pattern: string): DnsNameMatcher {
  if (!pattern.includes("*")) return exactly(pattern);
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop() ?? "";
  const between = rest.filter((literal) => literal !== "");
  const least = pattern.replaceAll("*", "").length;
  return (label) => {
    if (label.length < least || !label.startsWith(first) || !label.endsWith(last)) return false;
    if (!plainLabel.test(label)) return false;
    const end = label.length - last.length;
    let at = first.length;
    for (const literal of between) {
      const found = label.indexOf(literal, at);
      if (found < 0 || found + literal.length > end) return false;
      at = found + literal.length;
    }
    return true;
  };
}
