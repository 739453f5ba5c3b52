// Names of addresses (RFC 1035 section 3.5, RFC 3596 section 2.5). Pure.
import { Address } from "@tsilium/net";
import type { Name } from "./name.ts";

/** The address that a name under in-addr.arpa or ip6.arpa stands for; undefined for any other name. */
export function addressOfReverseName(name: Name): Address | undefined {
  const [zone, arpa] = [name.at(-2), name.at(-1)];
  if (arpa !== "arpa") return undefined;
  const parts = name.slice(0, -2).toReversed();
  if (zone === "in-addr" && parts.length === 4) return Address.tryParse(parts.join("."));
  if (zone !== "ip6" || parts.length !== 32 || !parts.every((digit) => /^[0-9a-f]$/.test(digit)))
    return undefined;
  return Address.fromBytes(Uint8Array.from(Buffer.from(parts.join(""), "hex")));
}

/** "10.0.0.1" -> 1.0.0.10.in-addr.arpa */
export function reverseName(address: Address): Name {
  if (address.family === 4)
    return [...address.toString().split(".").toReversed(), "in-addr", "arpa"];
  const digits = Buffer.from(address.bytes).toString("hex");
  return [...digits].toReversed().concat("ip6", "arpa");
}
