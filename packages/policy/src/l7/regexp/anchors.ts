// `^` and `$`: the whole text is matched anyway, so that at the ends they say nothing. Elsewhere they match nothing.
import { PatternError } from "./error.ts";
import { choice, type Node, sequence } from "./node.ts";

/** The tree without anchors. @throws PatternError for one that is not at an end */
export function withoutAnchors(node: Node): Node {
  const bare = strip(strip(node, "begin"), "end");
  if (hasAnchor(bare))
    throw new PatternError("has a ^ or $ inside: the whole text is matched anyway");
  return bare;
}

function strip(node: Node, kind: "begin" | "end"): Node {
  if (node.kind === kind) return { kind: "empty" };
  if (node.kind === "choice") return choice(node.items.map((item) => strip(item, kind)));
  if (node.kind !== "sequence") return node;
  const items = [...node.items];
  const at = () => (kind === "begin" ? 0 : items.length - 1);
  while (items[at()]?.kind === kind) items.splice(at(), 1);
  const edge = items[at()];
  if (edge) items[at()] = strip(edge, kind);
  return sequence(items);
}

function hasAnchor(node: Node): boolean {
  switch (node.kind) {
    case "begin":
    case "end":
      return true;
    case "sequence":
    case "choice":
      return node.items.some(hasAnchor);
    case "repeat":
      return hasAnchor(node.item);
    default:
      return false;
  }
}
