// `toPorts` of a Cilium rule: entries of ports, each with or without L7 rules.
import type { L7Rules, PortMatch } from "../model.ts";
import type { Field } from "./field.ts";
import { l7Fields, parseL7, type L7Context } from "./l7.ts";
import { parsePortItem } from "./port.ts";

const maxPorts = 40;

export type PortEntry = {
  readonly ports: readonly PortMatch[];
  readonly l7: L7Rules | undefined;
  readonly path: string;
};

export type PortsContext = Pick<L7Context, "direction" | "isHost" | "namespace"> & {
  readonly verdict: "allow" | "deny";
};

/** undefined: the rule is for every port. An empty list is for none. */
export function parseToPorts(
  field: Field,
  context: PortsContext,
): readonly PortEntry[] | undefined {
  return field.items()?.flatMap((entry) => parseEntry(entry, context) ?? []);
}

function parseEntry(entry: Field, context: PortsContext): PortEntry | undefined {
  if (!entry.isObject()) return undefined;
  const takesL7 = context.verdict === "allow";
  if (!takesL7)
    for (const key of l7Fields)
      if (entry.at(key).isGiven) entry.at(key).problem("a deny rule is decided at L3 and L4 alone");
  entry.only(["ports", ...l7Fields]);
  const list = entry.narrowing("ports").items();
  const items = (list ?? []).flatMap((item) => parsePortItem(item) ?? []);
  if (list !== undefined && list.length > maxPorts)
    entry.at("ports").problem(`at most ${maxPorts} ports`);
  if ((list?.length ?? 0) === 0) {
    const hint = l7Fields.some((key) => entry.at(key).isGiven)
      ? "name those that the rules are about"
      : 'port "0" is every port';
    entry.warn(`lists no ports, so it matches nothing: ${hint}`);
  }
  const l7 = takesL7 ? parseL7(entry, { ...context, ports: items }) : undefined;
  return { ports: items.flatMap(({ matches }) => matches), l7, path: entry.path };
}
