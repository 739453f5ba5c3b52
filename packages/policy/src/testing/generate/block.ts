// Random blocks of addresses, and `except` lists: blocks that lie inside another, as validation wants them.
import type { Random } from "@tsilium/testkit";
import type { World } from "../naive/index.ts";
import { isInBlock } from "../naive/address.ts";
import { blocks, some } from "./dictionary.ts";

/** Now and then with host bits, which do not count. */
export function randomBlock(random: Random, world: World): string {
  const block = random.pick(blocks[random.pick(world.families)]);
  return random.chance(0.05) ? (loose[block] ?? block) : block;
}

const loose: Readonly<Record<string, string>> = {
  "203.0.113.0/24": "203.0.113.9/24",
  "10.244.0.0/16": "10.244.3.7/16",
  "172.18.0.0/16": "172.18.0.2/16",
  "2001:db8:113::/64": "2001:db8:113::9/64",
  "fc00:18::/64": "fc00:18::2/64",
};

export function exceptOf(random: Random, cidr: string): string[] | undefined {
  if (random.chance(0.5)) return undefined;
  const family = cidr.includes(":") ? 6 : 4;
  return some(
    random,
    blocks[family].filter((block) => isInside(block, cidr)),
    random.below(3),
  );
}

/** Strictly inside: validation refuses an exception that leaves nothing. */
function isInside(block: string, cidr: string): boolean {
  const [network = "", length] = block.split("/");
  return Number(length) > Number(cidr.split("/")[1]) && isInBlock(network, cidr);
}
