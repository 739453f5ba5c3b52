import assert from "node:assert/strict";
import { test } from "node:test";
import { responseLayer7 } from "./record.ts";

test("a flow shows as much of an answer as people read, however large it is", () => {
  const { ips, ttl, rrtypes } = responseLayer7(
    { name: "a.b", type: 1, latencyNs: 1 },
    {
      rcode: 0,
      truncated: false,
      malformed: false,
      aliases: [],
      addresses: Array.from({ length: 4_000 }, (_, at) => ({
        address: `192.0.2.${at & 255}`,
        ttlS: at === 3_000 ? 5 : 60,
      })),
      types: Array.from({ length: 5_000 }, (_, at) => `TYPE${at}`),
    },
  );
  assert.deepEqual([ips.length, ttl, rrtypes.length], [128, 5, 128]);
});
