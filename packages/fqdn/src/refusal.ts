// Addresses that no name can make allowed, whatever DNS says: whoever controls a name's zone would open the way to the
// node itself, to its cloud's credentials, or to the cluster past its policies.
import { Address, Prefix } from "@tsilium/net";
import type { RefusalReason } from "./model.ts";

/** In order of precedence. What belongs to the cluster is not here: it comes and goes. */
const ranges: readonly (readonly [RefusalReason, readonly Prefix[]])[] = (
  [
    ["unspecified", ["0.0.0.0/8", "::/128"]],
    ["loopback", ["127.0.0.0/8", "::1/128"]],
    ["link-local", ["169.254.0.0/16", "fe80::/10"]],
    ["multicast", ["224.0.0.0/4", "ff00::/8"]],
    ["broadcast", ["255.255.255.255/32"]],
    [
      "cloud metadata",
      [
        // Amazon and Google (IPv6), Alibaba, Azure (WireServer), Oracle. 169.254.169.254 is link-local.
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
      ],
    ],
    // IPv4-compatible ones (RFC 4291, 2.5.5.1, deprecated) are nobody's.
    ["IPv4 in IPv6", ["::/96"]],
  ] as const
).map(([reason, texts]) => [reason, texts.map((text) => Prefix.parse(text))]);

/** Where in an address of these another one is: NAT64 (RFC 6052, RFC 8215), SIIT (RFC 2765), 6to4 (RFC 3056). */
const embedding = [
  { prefix: Prefix.parse("64:ff9b::/96"), at: 12 },
  { prefix: Prefix.parse("64:ff9b:1::/48"), at: 12 },
  { prefix: Prefix.parse("::ffff:0:0:0/96"), at: 12 },
  { prefix: Prefix.parse("2002::/16"), at: 2 },
] as const;
const mapped = Prefix.parse("::ffff:0:0/96");

/** An IPv4-mapped address as what is sent to: connect() makes an IPv4 connection of it. */
export function unmapped(address: Address): Address {
  return mapped.contains(address) ? Address.fromBytes(address.bytes.subarray(12)) : address;
}

/**
 * Why no name can stand for an address, by the address alone or by `inCluster`, which is also asked for an IPv4 address
 * that a gateway would take out of an IPv6 one; undefined: it can.
 */
export function refusalOf(
  address: Address,
  inCluster: (address: Address) => RefusalReason | undefined,
): RefusalReason | undefined {
  const plain = unmapped(address);
  for (const [reason, prefixes] of ranges)
    if (prefixes.some((prefix) => prefix.contains(plain))) return reason;
  const known = inCluster(plain);
  if (known !== undefined || plain.family === 4) return known;
  const embedded = embedding.find(({ prefix }) => prefix.contains(plain));
  if (!embedded) return undefined;
  const inner = Address.fromBytes(plain.bytes.subarray(embedded.at, embedded.at + 4));
  return refusalOf(inner, inCluster) === undefined ? undefined : "IPv4 in IPv6";
}
