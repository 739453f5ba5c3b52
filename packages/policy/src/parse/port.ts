// Ports as Cilium's rules write them: `toPorts` entries' numbers as text, names, ranges and protocols.
import { portProtocols, type PortMatch } from "../model.ts";
import type { Field } from "./field.ts";
import { isServiceName } from "./label-syntax.ts";

export const allPorts = { first: 0, last: 65_535 } as const;
export const transports: readonly number[] = Object.values(portProtocols);

/** One item of `toPorts[].ports`. */
export type PortItem = {
  readonly matches: readonly PortMatch[];
  /** As written: TCP alone can be looked into at L7. */
  readonly protocol: "TCP" | "UDP" | "SCTP" | "ANY";
  /** Port 0: every port. */
  readonly isEvery: boolean;
  readonly isRange: boolean;
};

/** @returns undefined after a problem */
export function parsePortItem(item: Field): PortItem | undefined {
  if (!item.isObject()) return undefined;
  item.only(["port", "endPort", "protocol"]);
  const protocol = parseProtocol(item.narrowing("protocol"));
  const text = item.at("port").name();
  const last = item.at("endPort").integer(0, allPorts.last) ?? 0;
  if (protocol === undefined || text === undefined) return undefined;
  const numbers = protocol === "ANY" ? transports : [portProtocols[protocol]];
  if (isServiceName(text)) {
    if (last > 0) item.at("endPort").problem("a named port has no range");
    const name = text.toLowerCase();
    const matches = numbers.map((number) => ({ kind: "named", protocol: number, name }) as const);
    return { matches, protocol, isEvery: false, isRange: false };
  }
  const range = parseRange(item, text, last);
  if (range === undefined) return undefined;
  const matches = numbers.map((number) => ({ kind: "range", protocol: number, ...range }) as const);
  return { matches, protocol, isEvery: text === "0", isRange: last > range.first };
}

/** "0" is every port, unless it begins a range. `last` 0 is no range, as in Cilium. */
function parseRange(
  item: Field,
  text: string,
  last: number,
): { readonly first: number; readonly last: number } | undefined {
  // A leading zero would be octal to some readers, and a policy must be one thing to all of them.
  const first = /^(0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : Number.NaN;
  if (!(first <= allPorts.last)) {
    item.at("port").problem("is neither a port number (0 to 65535) nor a port name");
    return undefined;
  }
  if (last === 0) return first === 0 ? allPorts : { first, last: first };
  if (last < first) {
    item.at("endPort").problem(`must not be below port ${first}`);
    return undefined;
  }
  return { first, last };
}

function parseProtocol(field: Field): PortItem["protocol"] | undefined {
  const text = field.text();
  if (text === undefined) return field.isGiven ? undefined : "ANY";
  switch (text.toUpperCase()) {
    case "TCP":
      return "TCP";
    case "UDP":
      return "UDP";
    case "SCTP":
      return "SCTP";
    case "ANY":
    case "":
      return "ANY";
    case "ICMP":
    case "ICMPV6":
      field.problem("ICMP has no ports: use icmps");
      return undefined;
    default:
      field.problem("must be one of TCP, UDP, SCTP, ANY");
      return undefined;
  }
}
