// Values on their way between a test and its node processes: addresses, prefixes, MACs, tables and bigints as tagged
// text.
import { Address, Mac, Prefix } from "@tsilium/net";

/** A copy that survives JSON. */
export function toPlain(value: unknown): unknown {
  if (value instanceof Address) return { $address: String(value) };
  if (value instanceof Prefix) return { $prefix: String(value) };
  if (value instanceof Mac) return { $mac: String(value) };
  if (value instanceof Uint32Array) return { $u32: [...value].join(" ") };
  if (value === undefined) return { $none: "" };
  if (typeof value === "bigint") return { $bigint: String(value) };
  if (Array.isArray(value)) return value.map(toPlain);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toPlain(inner)]));
}

/** The value that `toPlain` was given. */
export function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  const [[tag, text] = ["", undefined]] = Object.entries(value);
  if (typeof text === "string") {
    if (tag === "$address") return Address.parse(text);
    if (tag === "$prefix") return Prefix.parse(text);
    if (tag === "$mac") return Mac.parse(text);
    if (tag === "$u32") return Uint32Array.from(text === "" ? [] : text.split(" ").map(Number));
    if (tag === "$none") return undefined;
    if (tag === "$bigint") return BigInt(text);
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
}
