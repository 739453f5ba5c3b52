// `fromCIDRSet` and `toCIDRSet`: a block, or CiliumCIDRGroups, without its exceptions.
import type { Peer } from "../model.ts";
import { parseExcept, parsePrefix } from "./cidr.ts";
import type { Field } from "./field.ts";
import { sourcedKey } from "./label-key.ts";
import { parseSelector } from "./selector.ts";

const sources = ["cidr", "cidrGroupRef", "cidrGroupSelector"];

export function parseCidrRule(item: Field): readonly Peer[] {
  if (!item.isObject()) return [];
  item.only([...sources, "except"]);
  const [source, ...others] = sources.filter((key) => item.at(key).isGiven);
  if (source === undefined || others.length > 0) {
    item.problem(`needs exactly one of ${sources.join(", ")}`);
    return [];
  }
  switch (source) {
    case "cidr": {
      const prefix = parsePrefix(item.at("cidr"));
      const except = parseExcept(item.narrowing("except"), { inside: prefix });
      return prefix ? [{ kind: "cidr", prefix, except, scope: "external" }] : [];
    }
    case "cidrGroupRef": {
      const name = item.at("cidrGroupRef").name();
      const except = parseExcept(item.narrowing("except"), { inside: undefined });
      return name === undefined ? [] : [{ kind: "cidr-group", name, except }];
    }
    default: {
      const selector = parseSelector(item.at("cidrGroupSelector"), sourcedKey);
      const except = parseExcept(item.narrowing("except"), { inside: undefined });
      return [{ kind: "cidr-group-selector", selector, except }];
    }
  }
}
