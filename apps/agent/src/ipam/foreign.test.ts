import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { whyForeign } from "./foreign.ts";

const address = (text: string) => Address.parse(text);
const node: Node = {
  name: "node-2",
  local: false,
  ipv4: address("172.18.0.3"),
  ipv6: address("fc00:18::3"),
  routerIpv4: address("10.0.1.1"),
  routerIpv6: undefined,
  podCidrs: [],
  labels: {},
};
const takenElsewhere = (one: Address) => (one.toString() === "10.0.1.9" ? "pod a/web" : undefined);

const rows: readonly (readonly [string, string | undefined])[] = [
  ["10.0.0.9", undefined],
  ["fd00::9", undefined],
  ["8.8.8.8", undefined],
  ["0.0.0.0", "the unspecified address"],
  ["127.0.0.5", "a loopback address"],
  ["::1", "a loopback address"],
  ["169.254.1.1", "a link-local address"],
  ["fe80::1", "a link-local address"],
  ["224.0.0.9", "a multicast address"],
  ["ff02::1", "a multicast address"],
  ["255.255.255.255", "the broadcast address"],
  ["172.18.0.3", "node node-2's own"],
  ["fc00:18::3", "node node-2's own"],
  ["10.0.1.1", "node node-2's own"],
  ["10.0.1.9", "in use by pod a/web of another node"],
];
for (const [text, expected] of rows)
  test(`${text} from another plugin is ${expected ? "refused" : "taken"}`, () => {
    const why = whyForeign(address(text), "b/web", { nodes: [node], takenElsewhere });
    if (expected === undefined) assert.equal(why, undefined);
    else assert.ok(why?.startsWith(`${text} is ${expected}`), String(why));
  });

test("a pod that moved may bring its address", () => {
  const options = { nodes: [node], takenElsewhere };
  assert.equal(whyForeign(address("10.0.1.9"), "a/web", options), undefined);
});
