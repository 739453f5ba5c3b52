// DNS names and patterns. Read piece by piece: the customary regular expressions for them take for ever on some texts.
import type { Peer } from "../model.ts";
import type { Field } from "./field.ts";

const maxLength = 255;
const patternLabel = /^[-a-zA-Z0-9_*]+$/;

export type Fqdn = { readonly matchName?: string; readonly matchPattern?: string };

/** One item of `toFQDNs` or `rules.dns`: a name or a pattern. Names are lower case, without the final dot. */
export function parseFqdn(item: Field): Fqdn | undefined {
  if (!item.isObject()) return undefined;
  item.only(["matchName", "matchPattern"]);
  const name = item.at("matchName");
  const pattern = item.at("matchPattern");
  if (name.isGiven === pattern.isGiven) {
    item.problem("needs matchName or matchPattern, and not both");
    return undefined;
  }
  return name.isGiven
    ? told("matchName", readName(name, /^[-a-zA-Z0-9_]+$/))
    : told("matchPattern", readPattern(pattern));
}

export function fqdnPeer(fqdn: Fqdn): Peer {
  return { kind: "fqdn", ...fqdn };
}

/** A name or a pattern, as it stands; lower case. */
export function readPattern(field: Field): string | undefined {
  const pattern = readName(field, patternLabel);
  if (pattern?.replace(/^\*\*\./, "").includes("**"))
    field.warn('** is labels at the beginning alone ("**.example.com"): here it is one *');
  return pattern;
}

function told(key: keyof Fqdn, text: string | undefined): Fqdn | undefined {
  return text === undefined ? undefined : { [key]: text };
}

function readName(field: Field, label: RegExp): string | undefined {
  const text = field.name();
  if (text === undefined) return undefined;
  const bare = text.endsWith(".") ? text.slice(0, -1) : text;
  if (text.length <= maxLength && bare.split(".").every((part) => label.test(part)))
    return bare.toLowerCase();
  field.problem("is no DNS name");
  return undefined;
}
