// CiliumPodIPPool to pool and back. Pure.
import type { CiliumPodIPPool, CiliumPodIPPoolFamily } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import type { PodCidrPool } from "../pod-cidrs/decide.ts";
import type { PodIpPool } from "./decide.ts";

/** A pool as its object has it. Ranges that are none, or too small for one CIDR, are left out. */
export function poolOf({ metadata, spec }: CiliumPodIPPool): PodIpPool {
  const families = ([4, 6] as const).flatMap((family): PodCidrPool[] => {
    const { cidrs = [], maskSize } = spec?.[`ipv${family}`] ?? {};
    if (maskSize === undefined || maskSize < 1 || maskSize > (family === 4 ? 32 : 128)) return [];
    const ranges = cidrs
      .flatMap((text) => Prefix.tryParse(text) ?? [])
      .filter((range) => range.family === family && range.length <= maskSize);
    return ranges.length > 0 ? [{ family, ranges, maskSize }] : [];
  });
  return { name: metadata.name ?? "", families };
}

const fieldNames = new Set(["ipv4-cidrs", "ipv4-mask-size", "ipv6-cidrs", "ipv6-mask-size"]);

/**
 * Reads auto-create-cilium-pod-ip-pools: "pool=ipv4-cidrs:10.0.0.0/16;ipv4-mask-size:24;ipv6-cidrs:...", more pools and
 * more CIDRs of one field after commas. @throws Error for what is none
 */
export function poolsFromWords(words: readonly string[]): CiliumPodIPPool[] {
  // A comma parts CIDRs as well as pools: what has no "=" goes on with the field before.
  const pools: string[] = [];
  for (const word of words) {
    if (word.includes("=")) pools.push(word);
    else if (pools.length > 0) pools.push(`${pools.pop()},${word}`);
    else throw new Error(`${JSON.stringify(word)} is not pool=fields`);
  }
  return pools.map(poolFromText);
}

function poolFromText(text: string): CiliumPodIPPool {
  const at = text.indexOf("=");
  const name = text.slice(0, at);
  if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name))
    throw new Error(`"${name}" is no pool's name`);
  const fields = new Map(
    text
      .slice(at + 1)
      .split(";")
      .filter((field) => field !== "")
      .map((field) => {
        const colon = field.indexOf(":");
        return [field.slice(0, colon).trim(), field.slice(colon + 1).trim()] as const;
      }),
  );
  for (const key of fields.keys())
    if (!fieldNames.has(key)) throw new Error(`pool ${name}: unknown field "${key}"`);
  const spec = {
    ...familyOf(name, fields, 4),
    ...familyOf(name, fields, 6),
  };
  if (Object.keys(spec).length === 0) throw new Error(`pool ${name} has no ranges`);
  return { metadata: { name }, spec };
}

function familyOf(
  name: string,
  fields: ReadonlyMap<string, string>,
  family: 4 | 6,
): Record<string, CiliumPodIPPoolFamily> {
  const cidrs = fields.get(`ipv${family}-cidrs`);
  if (cidrs === undefined) return {};
  const maskSize = Number(fields.get(`ipv${family}-mask-size`) ?? Number.NaN);
  if (!Number.isInteger(maskSize))
    throw new Error(`pool ${name}: ipv${family}-mask-size is missing`);
  const prefixes = cidrs.split(",").map((cidr) => Prefix.parse(cidr.trim()));
  const wrong = prefixes.find((prefix) => prefix.family !== family || prefix.length > maskSize);
  if (wrong)
    throw new Error(`pool ${name}: ${wrong} holds no IPv${family} CIDR of length ${maskSize}`);
  return { [`ipv${family}`]: { cidrs: prefixes.map(String), maskSize } };
}
