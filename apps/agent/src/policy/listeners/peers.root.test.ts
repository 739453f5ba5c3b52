// Connections that proxies have are held to whom their peers are today, whoever opened them; and none that is opened
// while they are looked at is missed.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  address,
  Bench,
  cart,
  ciliumPolicy,
  cluster,
  fromApp,
  httpFrom,
  identity,
  networkPolicy,
  outside,
  policyGone,
  synced,
  till,
} from "../testing/bench.ts";
import { onCall } from "../testing/on-call.ts";

const webAddress = "10.244.0.9";
const nodeAddress = "192.0.2.7";
const server = { identity: 300, address: webAddress, port: 80 };
type Peer = readonly [identity: number, address: string];

/** Cart may ask for /cart, through 11008; till for /till, through 11009; all others for /all, 11010. */
const byPeer = ciliumPolicy("l7", {
  ingress: [
    ...httpFrom(["/cart"], "cart").ingress,
    ...httpFrom(["/till"], "till").ingress,
    { ...httpFrom(["/all"]).ingress[0], fromEndpoints: undefined, fromEntities: ["world"] },
  ],
});
const nodes = [
  { kind: "identity", id: 6, labels: ["reserved:remote-node"], namedPorts: [] } as const,
  address(`${nodeAddress}/32`, 6),
];

function benchWith(...inputs: Parameters<Bench["tell"]>): Bench {
  const bench = new Bench();
  bench.node.setEndpoint(1, webAddress);
  return bench.want(1).tell(...cluster, ...nodes, ...inputs, synced);
}

/** A connection to web that the listener has accepted. */
function proxied(bench: Bench, [identity, address]: Peer, proxyPort: number, port = 40_000): void {
  bench.node.setProxied({ client: { identity, address, port }, server, proxyPort });
}

const moves = ({ moved }: Bench) =>
  moved
    .splice(0)
    .map(({ client, from, to }) => `${client.port}: ${from} -> ${to}`)
    .sort();

test("a peer whose address is of another identity now is held to that one's rules", () => {
  using bench = benchWith(byPeer);
  assert.deepEqual(bench.ingress(1, cart, till, outside), [
    "redirect 11008",
    "redirect 11009",
    "redirect 11010",
  ]);
  proxied(bench, cart, 11_008);
  bench.tell(address(`${cart[1]}/32`, till[0]));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
  // Nobody's any more: whoever answers there is of the world.
  bench.tell({ kind: "address-gone", prefix: `${cart[1]}/32` });
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11010"]);
  bench.tell(address(`${cart[1]}/32`, cart[0]));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11008"]);
});

test("what was told of a connection that is over does not hold for the next one with the same ends", () => {
  using bench = benchWith(byPeer);
  proxied(bench, cart, 11_008);
  bench.tell(address(`${cart[1]}/32`, till[0]));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
  const [identity, from] = cart;
  const client = { identity, address: from, port: 40_000 };
  bench.node.setProxied({ client, server, proxyPort: 11_008, isOver: true });
  bench.tell(address(`${from}/32`, identity));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11008"]);
  proxied(bench, cart, 11_008);
  bench.tell(address(`${from}/32`, till[0]));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
});

test("so it is before its change counts as applied", () => {
  using bench = benchWith(byPeer);
  proxied(bench, cart, 11_008);
  bench.areProxiesWell = false;
  const before = bench.engine.report().applied;
  bench.tell(address(`${cart[1]}/32`, till[0]));
  const number = bench.moved.length;
  assert.deepEqual([number, bench.engine.report().applied], [1, before]);
  bench.engine.acknowledgeMoved(number);
  bench.settle();
  assert.equal(bench.engine.report().applied, before + 1);
});

test("an identity that becomes known after its address counts from then on", () => {
  using bench = benchWith(byPeer);
  proxied(bench, cart, 11_008);
  bench.tell(address(`${cart[1]}/32`, 303));
  assert.deepEqual(moves(bench), []);
  bench.tell(identity(303, "till"));
  assert.deepEqual(moves(bench), ["40000: 11008 -> 11009"]);
});

test("the server of a pod's own connection is who has its address, too", () => {
  const to = (path: string, app: string) => ({
    toEndpoints: [{ matchLabels: { app } }],
    toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path }] } }],
  });
  using bench = benchWith(ciliumPolicy("out", { egress: [to("/c", "cart"), to("/t", "till")] }));
  bench.node.setProxied({
    client: { identity: 300, address: webAddress, port: 50_000 },
    server: { identity: cart[0], address: cart[1], port: 80 },
    proxyPort: 10_000,
  });
  bench.tell(address(`${cart[1]}/32`, till[0]));
  assert.deepEqual(moves(bench), ["50000: 10000 -> 10001"]);
});

test("a node's address does not say whom it stands in for; what was a pod's does say that it is a node's", () => {
  using bench = benchWith(byPeer);
  proxied(bench, [9, nodeAddress], 11_010, 40_001);
  proxied(bench, cart, 11_008, 40_002);
  bench.tell(address(`${cart[1]}/32`, 6));
  // Nodes may not come in, and the world goes on under its rules.
  assert.deepEqual(moves(bench), []);
  bench.tell(ciliumPolicy("nodes", { ingress: [{ fromEntities: ["remote-node"] }] }));
  assert.deepEqual(moves(bench), ["40002: 11008 -> 0"]);
});

test("a connection that is opened by what held before, while they are read, is not missed", () => {
  using bench = benchWith(byPeer);
  let readings = 0;
  bench.restart(
    onCall((method) => {
      if (method === "listProxied" && ++readings === 2) proxied(bench, cart, 11_008);
    }),
  );
  bench.areProxiesWell = false;
  bench.want(1).tell(...cluster, byPeer, synced);
  bench.acknowledge();
  bench.settle();
  assert.equal(readings > 0, true);
  const before = bench.engine.report().applied;
  readings = 0;
  bench.moved.splice(0);
  bench.tell(policyGone("l7", "CiliumNetworkPolicy"), ciliumPolicy("l7", httpFrom(["/b"], "cart")));
  bench.acknowledge();
  bench.settle();
  assert.deepEqual([moves(bench), readings], [["40000: 11008 -> 11011"], 2]);
  assert.equal(bench.engine.report().applied, before);
});

test("where no proxy has anything, nobody looks for connections", () => {
  using bench = benchWith();
  let readings = 0;
  bench.restart(onCall((method) => method === "listProxied" && readings++));
  bench.want(1).tell(...cluster, networkPolicy("plain", fromApp("cart")), synced);
  const { applied } = bench.engine.report();
  bench.engine.add(100, [address(`${cart[1]}/32`, till[0]), identity(303, "new")]);
  bench.engine.step();
  assert.deepEqual([readings, bench.engine.report().applied > applied], [0, true]);
  assert.equal(bench.engine.waitMs, undefined);
});
