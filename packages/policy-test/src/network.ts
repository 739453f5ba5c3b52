// Addresses that a lab always has. A compiled cluster has the same, so that CIDR rules mean the same in both.
import { Address, Prefix } from "@tsilium/net";
import type { Family } from "./model.ts";

export const worldHost: Readonly<Record<Family, string>> = {
  4: "203.0.113.10",
  6: "2001:db8:113::10",
};

/** Where the API server listens, outside the cluster. */
export const apiServer: Readonly<Record<Family, string>> = { 4: "172.18.0.1", 6: "fc00:18::1" };

const worldPrefixes = [Prefix.parse("203.0.113.0/24"), Prefix.parse("2001:db8:113::/64")];

/** Whether the world's link can have such an address: a lab's nodes have no way to others. */
export function isWorldAddress(text: string): boolean {
  const address = Address.tryParse(text);
  return address !== undefined && worldPrefixes.some((prefix) => prefix.contains(address));
}

/** "node-2" -> its underlay address. */
export function nodeAddress(node: string, family: Family): string {
  const number = Number(node.slice("node-".length)) + 1;
  return family === 4 ? `172.18.0.${number}` : `fc00:18::${number.toString(16)}`;
}

/** The addresses of a compiled cluster's pods, by the order in which they came. */
export function podAddress(index: number, family: Family): string {
  const network = Prefix.parse(family === 4 ? "10.244.0.0/16" : "fd00:10:244::/56");
  return network.nth(index + 2).toString();
}
