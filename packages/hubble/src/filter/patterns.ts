// Names with "*": DNS names (source_fqdn, destination_fqdn) and nodes (node_name). The alphabet is Cilium's.
import { RE2JS } from "re2js";
import { type Condition, onFlow, rememberTexts, type Side } from "./condition.ts";
import { FilterError } from "./error.ts";

/** What "*" stands for: any text of these, the empty one included. "_" is not among them, as in Cilium. */
const star = "[-.0-9a-z]*";
/** A whole DNS name, what an empty part of a node's pattern stands for. */
const anyName = String.raw`(?:[-0-9_a-z]+(?:\.[-0-9_a-z]+)*)`;
/** DNS's limit of a name is 253; the rest is for the stars. */
const longestPattern = 1_000;

/** One of the flow's names for that end is one of the patterns ("*.cilium.io"). @throws FilterError */
export function onFqdn(field: string, values: readonly string[], side: Side): Condition {
  const isWanted = compile(values.map((value) => namePattern(field, value, value)));
  return side === "source"
    ? onFlow(4, (flow) => flow.sourceNames.some(isWanted))
    : onFlow(4, (flow) => flow.destinationNames.some(isWanted));
}

/** "k8s*" in every cluster, "prod/*.domain.com", "prod/" for all of its nodes. @throws FilterError */
export function onNodeName(field: string, values: readonly string[]): Condition {
  const isWanted = compile(values.map((value) => nodePattern(field, value)));
  const isWantedNode = rememberTexts((name) =>
    isWanted(name.includes("/") ? name : `default/${name}`),
  );
  return onFlow(3, ({ nodeName }) => nodeName !== "" && isWantedNode(nodeName));
}

function nodePattern(field: string, value: string): string {
  const parts = value.split("/");
  if (value === "") throw new FilterError({ field, value, reason: "empty pattern" });
  if (parts.length > 2) throw new FilterError({ field, value, reason: "more than one slash" });
  const [cluster, node] = parts.length === 2 ? parts : ["", value];
  const patternOf = (part: string | undefined) =>
    part === undefined || part === "" ? anyName : namePattern(field, value, part);
  return `${patternOf(cluster)}/${patternOf(node)}`;
}

/** The regular expression of `part`, which is `value` or half of it. */
function namePattern(field: string, value: string, part: string): string {
  const name = part.trim().replace(/\.$/, "").toLowerCase();
  const refuse = (reason: string) => new FilterError({ field, value, reason });
  if (name.length > longestPattern) throw refuse(`longer than ${longestPattern} characters`);
  if (name === "") throw refuse("empty pattern");
  if (name.endsWith(".")) throw refuse("more than one dot at its end");
  const stray = /[^-.*_0-9a-z]/u.exec(name);
  if (stray) {
    throw refuse(`${JSON.stringify(stray[0])} is neither a letter, a digit, "-", "_", "." nor "*"`);
  }
  return name.replaceAll(".", String.raw`\.`).replaceAll(/\*+/g, star);
}

function compile(patterns: readonly string[]): (text: string) => boolean {
  // One by one, not as one alternative: a pattern that many clients use costs the same for each.
  const compiled = patterns.map((pattern) => RE2JS.compile(pattern));
  return rememberTexts((text) => compiled.some((pattern) => pattern.matches(text)));
}
