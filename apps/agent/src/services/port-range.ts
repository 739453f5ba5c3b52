// Node ports that the kernel would hand out to connections of the node: a service's client would be answered by them.
import { readFileSync, writeFileSync } from "node:fs";
import type { PartHealth } from "@tsilium/runtime";

export type Ports = readonly [first: number, last: number];

const localPorts = "/proc/sys/net/ipv4/ip_local_port_range";
const reservedPorts = "/proc/sys/net/ipv4/ip_local_reserved_ports";

/**
 * Reserves the node ports that lie in the range of local ports, in the network namespace that the thread is in. Ports
 * reserved by others stay so. Nothing is undone at the end: services go on being served.
 */
export function protectNodePorts(nodePorts: Ports): Omit<PartHealth, "name"> {
  const [first = 0, last = 0] = numbersOf(readFileSync(localPorts, "utf8"));
  const shared = overlap([first, last], nodePorts);
  const text = `${nodePorts.join("-")}`;
  if (!shared) return { state: "ok", message: `${text} lie outside local ports ${first}-${last}` };
  const reserved = rangesOf(readFileSync(reservedPorts, "utf8"));
  if (isCovered(shared, reserved))
    return { state: "ok", message: `${shared.join("-")} are reserved` };
  writeFileSync(reservedPorts, [...reserved, shared].map((range) => range.join("-")).join(","));
  return { state: "ok", message: `${shared.join("-")} are reserved now` };
}

/** The ports of both ranges; undefined: none. */
export function overlap(a: Ports, b: Ports): Ports | undefined {
  const first = Math.max(a[0], b[0]);
  const last = Math.min(a[1], b[1]);
  return first <= last ? [first, last] : undefined;
}

/** "8080,9000-9100" as ranges. */
export function rangesOf(text: string): Ports[] {
  return text
    .trim()
    .split(",")
    .filter((part) => part !== "")
    .map((part) => {
      const [first = 0, last = first] = numbersOf(part);
      return [first, last];
    });
}

/** Whether every port of a range is in one of the others. */
export function isCovered([first, last]: Ports, ranges: readonly Ports[]): boolean {
  let next = first;
  for (const [from, to] of ranges.toSorted((a, b) => a[0] - b[0]))
    if (from <= next && to >= next) next = to + 1;
  return next > last;
}

function numbersOf(text: string): number[] {
  return [...text.matchAll(/[0-9]+/g)].map(([digits]) => Number(digits));
}
