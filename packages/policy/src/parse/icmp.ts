// `icmps`: ICMP types by number or name, of either family.
import type { PortMatch } from "../model.ts";
import type { Field } from "./field.ts";
import { icmpTypeNames } from "./icmp-types.ts";

const maxFields = 40;

/** undefined: the rule does not speak of ICMP. An empty list matches nothing. */
export function parseIcmps(field: Field): readonly PortMatch[] | undefined {
  return field.items()?.flatMap(parseEntry);
}

function parseEntry(entry: Field): readonly PortMatch[] {
  if (!entry.isObject()) return [];
  entry.only(["fields"]);
  const fields = entry.narrowing("fields").items() ?? [];
  if (fields.length > maxFields) entry.at("fields").problem(`at most ${maxFields} types`);
  return fields.flatMap((item) => parseType(item) ?? []);
}

function parseType(item: Field): PortMatch | undefined {
  if (!item.isObject()) return undefined;
  item.only(["family", "type"]);
  const family = item.at("family");
  const version = (family.value === "" || family.oneOf(["IPv4", "IPv6"]) !== "IPv6" ? 4 : 6) as
    | 4
    | 6;
  const type = parseNumber(item.at("type"), version);
  return type === undefined ? undefined : { kind: "icmp", family: version, type };
}

function parseNumber(field: Field, version: 4 | 6): number | undefined {
  if (!field.isGiven) {
    field.problem("required");
    return undefined;
  }
  if (typeof field.value === "number") return field.integer(0, 255);
  const text = field.text();
  if (text === undefined) return undefined;
  const number = /^(0|[1-9][0-9]{0,2})$/.test(text)
    ? Number(text)
    : icmpTypeNames[version].get(text);
  if (number !== undefined && number <= 255) return number;
  field.problem(
    `is no ICMP type of IPv${version}: a number from 0 to 255, or a name like EchoRequest`,
  );
  return undefined;
}
