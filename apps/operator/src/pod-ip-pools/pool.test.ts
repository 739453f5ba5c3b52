import assert from "node:assert/strict";
import { test } from "node:test";
import { poolOf, poolsFromWords } from "./pool.ts";

test("pools to create are read as Cilium writes them", () => {
  const words =
    "default=ipv4-cidrs:10.10.0.0/16,10.20.0.0/16;ipv4-mask-size:24;ipv6-cidrs:fd00::/48;ipv6-mask-size:64,blue=ipv4-cidrs:10.30.0.0/16;ipv4-mask-size:27";
  // As the configuration's list parts them.
  const pools = poolsFromWords(words.split(","));
  assert.deepEqual(pools, [
    {
      metadata: { name: "default" },
      spec: {
        ipv4: { cidrs: ["10.10.0.0/16", "10.20.0.0/16"], maskSize: 24 },
        ipv6: { cidrs: ["fd00::/48"], maskSize: 64 },
      },
    },
    { metadata: { name: "blue" }, spec: { ipv4: { cidrs: ["10.30.0.0/16"], maskSize: 27 } } },
  ]);
  assert.deepEqual(poolsFromWords([]), []);
});

for (const [text, problem] of [
  ["10.0.0.0/8", '"10.0.0.0/8" is not pool=fields'],
  ["Blue=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:24", '"Blue" is no pool\'s name'],
  ["blue=", "pool blue has no ranges"],
  ["blue=ipv4:10.0.0.0/8", 'pool blue: unknown field "ipv4"'],
  ["blue=ipv4-cidrs:10.0.0.0/8", "pool blue: ipv4-mask-size is missing"],
  [
    "blue=ipv4-cidrs:10.0.0.0/28;ipv4-mask-size:24",
    "pool blue: 10.0.0.0/28 holds no IPv4 CIDR of length 24",
  ],
] as const)
  test(`a pool written "${text}" is refused with the reason`, () => {
    assert.throws(() => poolsFromWords([text]), { message: problem });
  });

test("what of an object is no range of its family is left out", () => {
  const { families } = poolOf({
    metadata: { name: "blue" },
    spec: {
      ipv4: { cidrs: ["10.0.0.0/16", "fd00::/48", "x", "10.1.0.0/28"], maskSize: 24 },
      ipv6: { cidrs: ["fd00::/48"], maskSize: 200 },
    },
  });
  assert.deepEqual(
    families.map(({ family, ranges, maskSize }) => `${family} ${ranges.join()} ${maskSize}`),
    ["4 10.0.0.0/16 24"],
  );
});
