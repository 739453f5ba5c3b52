// Which labels make identities. Patterns are Cilium's: "[source:][!]regex", the expression matching from the
// start of the key, "!" meaning: not this one.
import type { Label } from "@tsilium/net";
import { IdentityError } from "./errors.ts";

/** True for labels that are part of an identity. */
export type LabelFilter = (label: Label) => boolean;

/** Always in force. Labels that change with every pod or roll-out would give each an identity of its own. */
export const defaultPatterns: readonly string[] = [
  "reserved:.*",
  "io\\.kubernetes\\.pod\\.namespace",
  "io\\.cilium\\.k8s\\.namespace\\.labels",
  "io\\.cilium\\.k8s\\.policy\\.cluster",
  "app\\.kubernetes\\.io",
  "!io\\.kubernetes",
  "!kubernetes\\.io",
  "!.*beta\\.kubernetes\\.io",
  "!k8s\\.io",
  "!pod-template-generation",
  "!pod-template-hash",
  "!controller-revision-hash",
  "!controller-uid",
  "!statefulset\\.kubernetes\\.io/pod-name",
  "!apps\\.kubernetes\\.io/pod-index",
  "!batch\\.kubernetes\\.io/job-completion-index",
  "!batch\\.kubernetes\\.io/controller-uid",
  "!annotation.*",
  "!etcd_node",
];

type Pattern = {
  /** "" for any source. */
  readonly source: string;
  readonly ignore: boolean;
  readonly expression: RegExp;
};

/**
 * A filter of the default patterns and the configured ones (`--labels`). Of all patterns that match a key the
 * one that matches most of it decides, "ignore" in a tie. A label that none matches is part of the identity,
 * unless an inclusive pattern is configured: then only what is included is.
 * @throws IdentityError label_filter_invalid
 */
export function labelFilter(configured: readonly string[] = []): LabelFilter {
  const own = configured.filter((text) => text !== "").map(parsePattern);
  const patterns = [...defaultPatterns.map(parsePattern), ...own];
  const onlyIncluded = own.some(({ ignore }) => !ignore);
  return (label) => {
    let included = -1;
    let ignored = -1;
    for (const pattern of patterns) {
      const length = matchedLength(pattern, label);
      if (pattern.ignore) ignored = Math.max(ignored, length);
      else included = Math.max(included, length);
    }
    if (included < 0 && ignored < 0) return !onlyIncluded;
    return included > ignored;
  };
}

function parsePattern(text: string): Pattern {
  const colon = text.indexOf(":");
  const source = colon < 0 ? "" : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  const ignore = rest.startsWith("!");
  const expression = ignore ? rest.slice(1) : rest;
  if (expression === "")
    throw new IdentityError("label_filter_invalid", `label pattern "${text}" matches nothing`);
  try {
    return { source: source === "any" ? "" : source, ignore, expression: new RegExp(expression) };
  } catch (cause) {
    const message = `label pattern "${text}": ${(cause as Error).message}`;
    throw new IdentityError("label_filter_invalid", message, { cause });
  }
}

/** How much of the key, from its start, the pattern matches; -1 when it does not. */
function matchedLength({ source, expression }: Pattern, label: Label): number {
  if (source !== "" && source !== label.source) return -1;
  const match = expression.exec(label.key);
  return match?.index === 0 ? match[0].length : -1;
}
