// Names of a service's own chains: a hash, since names of services are longer than names of chains may be.
import { createHash } from "node:crypto";

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** So many letters (at most 32) that stand for the parts. */
export function hashed(parts: readonly (string | number)[], letters: number): string {
  const digest = createHash("sha256").update(parts.join("/")).digest();
  return Array.from(digest.subarray(0, letters), (byte) => base32[byte & 31]).join("");
}
