// Address arithmetic of the naive evaluator: whole numbers by the `ip-address` package, compared as text of bits.
import { Address4, Address6 } from "ip-address";

/** Whether an address lies in "10.0.0.0/8", "fd00::/8" or a bare address. Host bits of the block do not count. */
export function isInBlock(address: string, block: string): boolean {
  const [network = "", length] = block.split("/");
  if (address.includes(":") !== network.includes(":")) return false;
  const wanted = bits(network);
  const count = length === undefined ? wanted.length : Number(length);
  return bits(address).slice(0, count) === wanted.slice(0, count);
}

const known = new Map<string, string>();

/** "10.0.0.1" as 32 characters of 0 and 1, an IPv6 address as 128. */
function bits(address: string): string {
  const before = known.get(address);
  if (before !== undefined) return before;
  const isV6 = address.includes(":");
  const number = (isV6 ? new Address6(address) : new Address4(address)).bigInt();
  const text = number.toString(2).padStart(isV6 ? 128 : 32, "0");
  known.set(address, text);
  return text;
}
