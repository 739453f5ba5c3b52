import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { decideRoutes, type LoadBalancerRoute, type RouteNeed } from "./decide.ts";

const nodes = ["node-1", "node-2", "node-3"];

const need = (address: string, of: string, localNodes?: readonly string[]): RouteNeed => ({
  prefix: Prefix.parse(address),
  of,
  localNodes: localNodes && new Set(localNodes),
});

/** "192.0.2.1/32 node-1 n/a n/b" per route. */
function decided(
  needs: readonly RouteNeed[],
  options: { ready?: readonly string[]; before?: readonly (readonly [string, string])[] } = {},
): string[] {
  const before = new Map(
    (options.before ?? []).map(([prefix, node]): [string, LoadBalancerRoute] => [
      prefix,
      { prefix: Prefix.parse(prefix), node, of: [] },
    ]),
  );
  return [...decideRoutes(needs, options.ready ?? nodes, before).values()].map(
    ({ prefix, node, of }) => [prefix, node, ...of].join(" "),
  );
}

test("an address goes to the first node that is ready", () => {
  assert.deepEqual(decided([need("192.0.2.1/32", "n/a")]), ["192.0.2.1/32 node-1 n/a"]);
  assert.deepEqual(decided([need("192.0.2.1/32", "n/a")], { ready: ["node-3"] }), [
    "192.0.2.1/32 node-3 n/a",
  ]);
  assert.deepEqual(decided([need("192.0.2.1/32", "n/a")], { ready: [] }), []);
});

test("it stays where it is as long as that node is ready", () => {
  const before = [["192.0.2.1/32", "node-2"]] as const;
  assert.deepEqual(decided([need("192.0.2.1/32", "n/a")], { before }), ["192.0.2.1/32 node-2 n/a"]);
  assert.deepEqual(decided([need("192.0.2.1/32", "n/a")], { before, ready: ["node-1"] }), [
    "192.0.2.1/32 node-1 n/a",
  ]);
});

test("with externalTrafficPolicy Local it goes where an endpoint is, and follows it", () => {
  const local = (on: readonly string[]) => [need("192.0.2.1/32", "n/a", on)];
  const before = [["192.0.2.1/32", "node-1"]] as const;
  assert.deepEqual(decided(local(["node-2", "node-3"]), { before }), ["192.0.2.1/32 node-2 n/a"]);
  assert.deepEqual(decided(local([]), { before }), ["192.0.2.1/32 node-1 n/a"]);
});

test("services that share an address share its route, to a node that has endpoints of all", () => {
  assert.deepEqual(
    decided([
      need("192.0.2.1/32", "n/b", ["node-2", "node-3"]),
      need("192.0.2.1/32", "n/a"),
      need("192.0.2.1/32", "n/c", ["node-3"]),
    ]),
    ["192.0.2.1/32 node-3 n/a n/b n/c"],
  );
});
