// source_ip, destination_ip, source_ip_xlated: addresses and prefixes.
import { Address, Prefix } from "@tsilium/net";
import type { FlowIp } from "../model.ts";
import { type Condition, onFlow, rememberTexts } from "./condition.ts";
import { FilterError } from "./error.ts";

/**
 * One of the flow's addresses is one of `values` ("10.0.0.1"), or in one of them ("10.0.0.0/8", host bits ignored).
 * IPv6 addresses may be written in any form. @throws FilterError
 */
export function onAddress(
  field: string,
  values: readonly string[],
  addressOf: (ip: FlowIp) => string,
): Condition {
  const addresses = new Set<string>();
  const prefixes: Prefix[] = [];
  for (const value of values) {
    if (value.includes("/")) prefixes.push(parsePrefix(field, value));
    else addresses.add(parseAddress(field, value));
  }
  const isInside = rememberTexts((text) => {
    const address = Address.tryParse(text);
    return address !== undefined && prefixes.some((prefix) => prefix.contains(address));
  });
  const matches =
    prefixes.length === 0
      ? (text: string) => addresses.has(text)
      : (text: string) => addresses.has(text) || isInside(text);
  return onFlow(prefixes.length === 0 ? 3 : 6, ({ ip }) => {
    if (!ip) return false;
    const text = addressOf(ip);
    return text !== "" && matches(text);
  });
}

function parseAddress(field: string, value: string): string {
  const address = Address.tryParse(value);
  if (!address) throw new FilterError({ field, value, reason: "not an IP address" });
  return address.toString();
}

function parsePrefix(field: string, value: string): Prefix {
  const prefix = Prefix.tryParse(value, { mask: true });
  if (!prefix) throw new FilterError({ field, value, reason: "not a CIDR prefix" });
  return prefix;
}
