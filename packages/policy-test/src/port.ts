// What a test says of a port: 80, "53/udp", "http", "icmp". Protocol TCP where none is named.
import { TestError } from "./error.ts";

export type PortProtocol = "TCP" | "UDP" | "SCTP";

export type TestPort =
  | { readonly kind: "number"; readonly protocol: PortProtocol; readonly port: number }
  /** A container port of whoever is reached, by its name; any protocol where none is said. */
  | { readonly kind: "named"; readonly protocol: PortProtocol | undefined; readonly name: string }
  /** `type` undefined: an echo request, in either family. */
  | { readonly kind: "icmp"; readonly family: 4 | 6 | undefined; readonly type: number };

/** An echo request's type. */
export const echoRequest = { 4: 8, 6: 128 } as const;

const protocols: readonly string[] = ["TCP", "UDP", "SCTP"];

/** @throws TestError port_invalid */
export function parsePort(given: number | string): TestPort {
  const text = String(given);
  const [first = "", second, ...rest] = text.split("/");
  if (rest.length > 0 || first === "" || second === "") throw invalid(text);
  const icmp = icmpFamilies[first.toLowerCase()];
  if (icmp) return icmpPort(text, icmp, second);
  const protocol = second?.toUpperCase();
  if (protocol !== undefined && !protocols.includes(protocol)) throw invalid(text);
  const known = protocol as PortProtocol | undefined;
  if (/^[0-9]+$/.test(first)) {
    const port = Number(first);
    if (port < 1 || port > 65_535) throw invalid(text);
    return { kind: "number", protocol: known ?? "TCP", port };
  }
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(first)) throw invalid(text);
  return { kind: "named", protocol: known, name: first };
}

/** As explain takes it: "80/tcp", "http", "icmp", "icmp/3". */
export function formatPort(port: TestPort): string {
  if (port.kind === "number") return `${port.port}/${port.protocol.toLowerCase()}`;
  if (port.kind === "named")
    return port.protocol === undefined ? port.name : `${port.name}/${port.protocol.toLowerCase()}`;
  if (port.family === undefined) return "icmp";
  return `${port.family === 4 ? "icmp" : "icmpv6"}/${port.type}`;
}

const icmpFamilies: Readonly<Record<string, { readonly family: 4 | 6; readonly word: string }>> = {
  icmp: { family: 4, word: "icmp" },
  icmpv6: { family: 6, word: "icmpv6" },
};

function icmpPort(
  text: string,
  { family, word }: { readonly family: 4 | 6; readonly word: string },
  type: string | undefined,
): TestPort {
  if (type === undefined && word === "icmp")
    return { kind: "icmp", family: undefined, type: echoRequest[4] };
  if (type === undefined) return { kind: "icmp", family, type: echoRequest[6] };
  if (!/^[0-9]{1,3}$/.test(type) || Number(type) > 255) throw invalid(text);
  return { kind: "icmp", family, type: Number(type) };
}

function invalid(text: string): TestError {
  return new TestError(
    "port_invalid",
    `"${text}" is no port: 80, "80/tcp", "53/udp", a container port's name, "icmp" or "icmpv6/128"`,
  );
}
