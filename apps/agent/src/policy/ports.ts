// A port as people write it: "80/tcp", "53/udp", "http", "icmp", "icmpv6/128".
import type { Family } from "@tsilium/net";
import type { NamedPort } from "@tsilium/policy/model.ts";
import { icmpProtocols, portProtocols } from "@tsilium/policy/model.ts";

export type AskedPort = {
  readonly protocol: number;
  /** An ICMP type for ICMP. */
  readonly port: number;
  /** Of packets that have it; undefined: both. */
  readonly family: Family | undefined;
};

const echoRequest = { 4: 8, 6: 128 } as const;

/**
 * The port, or a sentence on why it is none.
 * @param named ports that the destination has names for
 */
export function findPort(text: string, named: readonly NamedPort[]): AskedPort | string {
  const [first = "", second, ...rest] = text.toLowerCase().split("/");
  if (rest.length > 0 || first === "" || second === "") return noPort(text);
  if (first === "icmp" || first === "icmpv6")
    return icmpPort(text, first === "icmp" ? 4 : 6, second);
  const protocols: Readonly<Record<string, number>> = portProtocols;
  const protocol = second === undefined ? undefined : protocols[second.toUpperCase()];
  if (second !== undefined && protocol === undefined) return noPort(text);
  if (/^[0-9]{1,5}$/.test(first)) {
    const port = Number(first);
    if (port > 65_535) return noPort(text);
    return { protocol: protocol ?? portProtocols.TCP, port, family: undefined };
  }
  const found = named.find(({ name, protocol: of }) => name === first && (protocol ?? of) === of);
  if (found) return { protocol: found.protocol, port: found.port, family: undefined };
  const names = named.map(({ name }) => name).join(", ");
  return `the destination has no port of the name "${first}"${names === "" ? "" : `; it has ${names}`}`;
}

function icmpPort(text: string, family: Family, type: string | undefined): AskedPort | string {
  if (type !== undefined && !/^[0-9]{1,3}$/.test(type)) return noPort(text);
  const port = type === undefined ? echoRequest[family] : Number(type);
  return port > 255 ? noPort(text) : { protocol: icmpProtocols[family], port, family };
}

function noPort(text: string): string {
  return `"${text}" is no port: wanted 80, 80/tcp, 53/udp, a container port's name, icmp or icmpv6/128`;
}
