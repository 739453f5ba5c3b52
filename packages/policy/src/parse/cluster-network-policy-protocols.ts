// `protocols` of a ClusterNetworkPolicy rule.
import { portProtocols, type PortMatch } from "../model.ts";
import type { Field } from "./field.ts";
import { isServiceName } from "./label-syntax.ts";
import { allPorts, transports } from "./port.ts";

const transportFields = {
  tcp: portProtocols.TCP,
  udp: portProtocols.UDP,
  sctp: portProtocols.SCTP,
};
const fields = [...Object.keys(transportFields), "destinationNamedPort"];

export type ProtocolsContext = {
  /** Some peer is told by its address, and addresses name no ports. */
  readonly toAddresses: boolean;
};

/** undefined: the rule is for every protocol and port. */
export function parseClusterProtocols(
  list: Field,
  context: ProtocolsContext,
): readonly PortMatch[] | undefined {
  const items = list.items();
  if (items?.length === 0) list.problem("needs at least one protocol, or to be left out");
  return items?.flatMap((item) => parseProtocol(item, context));
}

function parseProtocol(item: Field, context: ProtocolsContext): readonly PortMatch[] {
  if (!item.isObject()) return [];
  item.only(fields);
  const given = fields.filter((key) => item.at(key).isGiven);
  if (given.length !== 1) item.problem(`needs exactly one of ${fields.join(", ")}`);
  const named = item.at("destinationNamedPort");
  if (named.isGiven) return parseNamed(named, context);
  return Object.entries(transportFields).flatMap(([key, protocol]) =>
    item.at(key).isGiven ? parsePorts(item.at(key), protocol) : [],
  );
}

function parseNamed(field: Field, { toAddresses }: ProtocolsContext): readonly PortMatch[] {
  const name = field.name();
  if (name === undefined) return [];
  if (!isServiceName(name)) field.problem("is no name of a port");
  if (toAddresses) field.problem("nodes, networks and domain names have no named ports");
  return transports.map((protocol) => ({ kind: "named", protocol, name: name.toLowerCase() }));
}

function parsePorts(field: Field, protocol: number): readonly PortMatch[] {
  if (!field.isObject()) return [];
  field.only(["destinationPort"]);
  const port = field.at("destinationPort");
  if (!port.isObject()) return [];
  port.only(["number", "range"]);
  const number = port.at("number").integer(1, allPorts.last);
  const range = port.at("range");
  if (port.at("number").isGiven === range.isGiven)
    port.problem("needs number or range, and not both");
  if (number !== undefined) return [{ kind: "range", protocol, first: number, last: number }];
  if (!range.isGiven || !range.isObject()) return [];
  range.only(["start", "end"]);
  for (const key of ["start", "end"]) if (!range.at(key).isGiven) range.at(key).problem("required");
  const first = range.at("start").integer(1, allPorts.last);
  const last = range.at("end").integer(1, allPorts.last);
  if (first === undefined || last === undefined) return [];
  if (first >= last) range.problem("start must be below end");
  return [{ kind: "range", protocol, first, last }];
}
