// Which interfaces face the underlay: by the names that the configuration gives, or by the node's addresses. Pure.
import type { Address } from "@tsilium/net";

export type DeviceFacts = {
  /** All interfaces of the node. */
  readonly links: readonly { readonly index: number; readonly name: string }[];
  readonly addresses: readonly { readonly device: number; readonly address: Address }[];
};

export type DeviceWish = {
  /**
   * Key `devices`: names, "eth+" for all that begin so, "!eth9" for what is not meant. Without any but the last, the
   * interfaces that carry the node's addresses.
   */
  readonly patterns: readonly string[];
  readonly nodeAddresses: readonly Address[];
};

/** Never of the underlay, whatever a pattern says: loopback, pods' interfaces, our own. */
const own = /^(lo$|lxc|tsi_)/;

/** Names, in the order of the interfaces. */
export function chooseDevices(facts: DeviceFacts, wish: DeviceWish): string[] {
  const { links, addresses } = facts;
  if (!isAutomatic(wish.patterns))
    return links.map(({ name }) => name).filter((name) => isNamed(name, wish.patterns));
  const carriers = new Set(
    addresses
      .filter(({ address }) => wish.nodeAddresses.some((wanted) => wanted.equals(address)))
      .map(({ device }) => device),
  );
  return links
    .filter(({ index, name }) => carriers.has(index) && !isExcluded(name, wish.patterns))
    .map(({ name }) => name);
}

/** Names that the configuration gives in full, and that no interface has. */
export function missingDevices(patterns: readonly string[], links: DeviceFacts["links"]): string[] {
  return wantedOf(patterns).filter(
    (pattern) => !pattern.endsWith("+") && !links.some(({ name }) => name === pattern),
  );
}

/** Whether devices are found by the node's addresses. */
export function isAutomatic(patterns: readonly string[]): boolean {
  return wantedOf(patterns).length === 0;
}

/** Whether patterns mean an interface of this name. */
export function isNamed(name: string, patterns: readonly string[]): boolean {
  return (
    !own.test(name) &&
    !isExcluded(name, patterns) &&
    wantedOf(patterns).some((pattern) => fits(name, pattern))
  );
}

function isExcluded(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => pattern.startsWith("!") && fits(name, pattern.slice(1)));
}

function wantedOf(patterns: readonly string[]): string[] {
  return patterns.filter((pattern) => !pattern.startsWith("!"));
}

function fits(name: string, pattern: string): boolean {
  return pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
