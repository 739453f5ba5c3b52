// ip-masq-agent's configuration file, as kubernetes-sigs/ip-masq-agent and Cilium read it. Pure.
import { Prefix } from "@tsilium/net";
import { CORE_SCHEMA, load } from "js-yaml";

export type ParsedExemptions = {
  /** Destinations that pods reach with their own address. */
  readonly prefixes: readonly Prefix[];
  /** No file, or an empty one: `prefixes` are the defaults. */
  readonly isDefault: boolean;
  /** Fields that nobody knows. */
  readonly unknown: readonly string[];
};

/** Ranges that are no addresses of the internet's, in force while nobody says otherwise. */
export const defaultExemptions: readonly Prefix[] = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
].map((text) => Prefix.parse(text));

const linkLocal = {
  masqLinkLocal: Prefix.parse("169.254.0.0/16"),
  masqLinkLocalIPv6: Prefix.parse("fe80::/10"),
} as const;
/** resyncInterval is the original's: this agent sees changes as they happen. */
const known = new Set(["nonMasqueradeCIDRs", ...Object.keys(linkLocal), "resyncInterval"]);
/** The kernel's table has room for these. */
const mostPrefixes = 16_384;

/**
 * Reads the file's text, YAML or JSON; undefined: there is no file.
 * @throws Error that says what is wrong; nothing of such a file counts
 */
export function parseExemptions(text: string | undefined): ParsedExemptions {
  if (text === undefined || text.trim() === "")
    return {
      prefixes: [...defaultExemptions, ...Object.values(linkLocal)],
      isDefault: true,
      unknown: [],
    };
  const fields = fieldsOf(text);
  const prefixes = new Map<string, Prefix>();
  for (const prefix of listedPrefixes(fields["nonMasqueradeCIDRs"]))
    prefixes.set(prefix.toString(), prefix);
  for (const [name, prefix] of Object.entries(linkLocal))
    if (!flagOf(name, fields[name])) prefixes.set(prefix.toString(), prefix);
  if (prefixes.size > mostPrefixes)
    throw new Error(`${prefixes.size} CIDRs are more than the ${mostPrefixes} there is room for`);
  return {
    prefixes: [...prefixes.values()],
    isDefault: false,
    unknown: Object.keys(fields).filter((name) => !known.has(name)),
  };
}

function fieldsOf(text: string): Readonly<Record<string, unknown>> {
  // Numbers, booleans and texts: no dates, no tags of a programming language.
  const value: unknown = load(text, { schema: CORE_SCHEMA });
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new Error("wanted fields such as nonMasqueradeCIDRs");
}

function listedPrefixes(value: unknown): Prefix[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error("nonMasqueradeCIDRs: wanted a list of CIDRs");
  return value.map((text: unknown, at) => {
    try {
      if (typeof text === "string") return Prefix.parse(text, { mask: true });
    } catch (cause) {
      throw new Error(`nonMasqueradeCIDRs[${at}]: ${(cause as Error).message}`, { cause });
    }
    throw new Error(`nonMasqueradeCIDRs[${at}]: wanted a text such as "10.0.0.0/8"`);
  });
}

function flagOf(name: string, value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "boolean") return value;
  throw new Error(`${name}: wanted true or false`);
}
