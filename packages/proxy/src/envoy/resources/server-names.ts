// Server names of TLS as regular expressions for Envoy (RE2, always of the whole name): what packages/net's
// compileDnsPattern says, in other words. Envoy gives names in lower case, and none at all where the client named nobody.
import { normalizeDnsName } from "@tsilium/net";

const plain = "[-a-z0-9_]";
const nothing = String.raw`[^\s\S]`;

/** @param pattern a name, or one with `*` */
export function serverNameRegex(pattern: string): string {
  const text = normalizeDnsName(pattern);
  if (text === "*") return ".+";
  if (!text.includes("*")) return literal(text);
  const anyDepth = text.startsWith("**.");
  const parts = (anyDepth ? text.slice(3) : text).split(".");
  // No name has an empty label.
  if (parts.includes("")) return nothing;
  const labels = parts.map(label);
  return `${anyDepth ? `${plain}+(?:\\.${plain}+)*\\.` : ""}${labels.join("\\.")}`;
}

function label(text: string): string {
  if (!text.includes("*")) return literal(text);
  if (/^\*+$/.test(text)) return `${plain}+`;
  return text
    .split(/\*+/)
    .map((part) => literal(part))
    .join(`${plain}*`);
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
