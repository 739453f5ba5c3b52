// `ports` of a Kubernetes NetworkPolicy rule.
import { portProtocols, type PortMatch } from "../model.ts";
import type { Field } from "./field.ts";
import { isServiceName } from "./label-syntax.ts";
import { allPorts } from "./port.ts";

/** undefined, for every protocol and port, when the list is missing or empty: so the API says. */
export function parseKubernetesPorts(field: Field): readonly PortMatch[] | undefined {
  const items = field.items();
  if (items === undefined || items.length === 0) return undefined;
  return items.flatMap((item) => parsePort(item) ?? []);
}

function parsePort(item: Field): PortMatch | undefined {
  if (!item.isObject()) return undefined;
  for (const field of item.unknown(["protocol", "port", "endPort"])) {
    field.warn("unknown field: the port it narrows is taken to match nothing");
    return undefined;
  }
  const name = item.at("protocol");
  const protocolName = name.isGiven ? name.oneOf(["TCP", "UDP", "SCTP"]) : "TCP";
  const port = item.narrowing("port");
  const end = item.at("endPort").integer(1, allPorts.last);
  if (protocolName === undefined) return undefined;
  const protocol = portProtocols[protocolName];
  if (!port.isGiven) {
    if (end !== undefined) item.at("endPort").problem("needs a port");
    return { kind: "range", protocol, ...allPorts };
  }
  if (typeof port.value === "string") return parseNamedPort(item, port.value, protocol);
  const first = port.integer(1, allPorts.last);
  if (first === undefined) return undefined;
  if (end !== undefined && end < first)
    item.at("endPort").problem(`must not be below port ${first}`);
  return { kind: "range", protocol, first, last: end ?? first };
}

function parseNamedPort(item: Field, name: string, protocol: number): PortMatch {
  if (!isServiceName(name) || name !== name.toLowerCase())
    item.at("port").problem("is no name of a port");
  if (item.at("endPort").isGiven) item.at("endPort").problem("a named port has no range");
  return { kind: "named", protocol, name };
}
