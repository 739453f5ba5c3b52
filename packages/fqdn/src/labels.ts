// The labels of an identity that names make.
import { type Family, Labels } from "@tsilium/net";

/** Source of the labels that `toFQDNs` selects by. */
export const fqdnSource = "fqdn";

/** One label for each selector, and those of the world that such an address stays part of. */
export function fqdnLabels(
  selectors: readonly string[],
  family: Family,
  dualStack: boolean,
): Labels {
  const world = dualStack ? `world-ipv${family}` : "world";
  return Labels.of([
    ...selectors.map((key) => ({ source: fqdnSource, key, value: "" })),
    { source: "reserved", key: world, value: "" },
  ]);
}
