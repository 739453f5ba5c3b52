// Whether a rule's peers are sure to be among those of another. "Not sure" is no.
import type { Prefix } from "@tsilium/net";
import type { Peer } from "../model.ts";
import { selectorCovers } from "./selector-covers.ts";

type CidrPeer = Extract<Peer, { readonly kind: "cidr" }>;

/** undefined is whoever it is. */
export function peersCover(
  wide: readonly Peer[] | undefined,
  narrow: readonly Peer[] | undefined,
): boolean {
  if (wide === undefined || wide.some(isEverybody)) return true;
  return narrow !== undefined && narrow.every((peer) => wide.some((one) => peerCovers(one, peer)));
}

function isEverybody(peer: Peer): boolean {
  return peer.kind === "labels" && peer.selector.length === 0;
}

function peerCovers(wide: Peer, narrow: Peer): boolean {
  switch (wide.kind) {
    case "labels":
      return narrow.kind === "labels" && selectorCovers(wide.selector, narrow.selector);
    case "cidr":
      return narrow.kind === "cidr" && blockCovers(wide, narrow);
    case "cidr-group":
      return (
        narrow.kind === "cidr-group" &&
        narrow.name === wide.name &&
        exceptsAtMost(wide.except, narrow.except)
      );
    case "cidr-group-selector":
      return (
        narrow.kind === "cidr-group-selector" &&
        selectorCovers(wide.selector, narrow.selector) &&
        exceptsAtMost(wide.except, narrow.except)
      );
    case "service":
      return (
        narrow.kind === "service" &&
        narrow.namespace === wide.namespace &&
        narrow.name === wide.name
      );
    case "service-selector":
      return (
        narrow.kind === "service-selector" &&
        (wide.namespace === undefined || wide.namespace === narrow.namespace) &&
        selectorCovers(wide.selector, narrow.selector)
      );
    case "fqdn":
      return (
        narrow.kind === "fqdn" &&
        narrow.matchName === wide.matchName &&
        narrow.matchPattern === wide.matchPattern
      );
  }
}

function blockCovers(wide: CidrPeer, narrow: CidrPeer): boolean {
  if (wide.scope === "external" && narrow.scope === "any") return false;
  if (!wide.prefix.contains(narrow.prefix)) return false;
  const inside = wide.except.filter((except) => except.overlaps(narrow.prefix));
  return exceptsAtMost(inside, narrow.except);
}

/** Whether whatever `wide` leaves out `narrow` leaves out too. */
function exceptsAtMost(wide: readonly Prefix[], narrow: readonly Prefix[]): boolean {
  return wide.every((except) => narrow.some((other) => other.contains(except)));
}
