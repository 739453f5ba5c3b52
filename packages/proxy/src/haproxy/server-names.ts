// Patterns of server names (docs/policy-l7.md, "How names are read") as expressions for PCRE, of names in lower case.
import { normalizeDnsName } from "@tsilium/net";

const one = "[-a-z0-9_]";

/** The same that compileDnsPattern({ matchPattern }) matches, of whole names; without anchors. */
export function serverNameExpression(pattern: string): string {
  const name = normalizeDnsName(pattern);
  if (name === "*") return "[!-~]*";
  const anyDepth = name.startsWith("**.");
  const labels = (anyDepth ? name.slice(3) : name).split(".").map(label);
  return `${anyDepth ? `(?:${one}+\\.)+` : ""}${labels.join("\\.")}`;
}

/** The first place of each literal is as good as any other: (?>...) never looks for another, so time is linear. */
function label(pattern: string): string {
  if (!pattern.includes("*")) return escape(pattern);
  if (/^\*+$/.test(pattern)) return `${one}+`;
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop() ?? "";
  const between = rest.filter((literal) => literal !== "");
  const found = between.map((literal) => `(?>${one}*?${escape(literal)})`).join("");
  return `${escape(first)}${found}${one}*${escape(last)}`;
}

function escape(text: string): string {
  return text.replace(
    /[^a-z0-9]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
