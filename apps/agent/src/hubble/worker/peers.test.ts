import assert from "node:assert/strict";
import { test } from "node:test";
import type { FeedItem } from "../feed/model.ts";
import { Peers, type PeersOptions } from "./peers.ts";

const node = (
  name: string,
  addresses: { ipv4?: string; ipv6?: string },
  local = false,
): FeedItem => ({
  kind: "node",
  name,
  local,
  ipv4: addresses.ipv4,
  ipv6: addresses.ipv6,
});

function told(options: Partial<PeersOptions>, ...items: FeedItem[]): string[] {
  const peers = new Peers({
    port: 4244,
    clusterName: "default",
    tls: true,
    socketPath: "/run/hubble.sock",
    ...options,
  });
  for (const item of items) peers.note(item);
  return peers
    .list()
    .map(({ name, address, tlsServerName = "plain" }) => `${name} ${address} ${tlsServerName}`);
}

test("each node's server is at its address, by IPv4 where it has one, under its certificate's name", () => {
  const items = [
    node("node-1", { ipv4: "172.18.0.2", ipv6: "fc00:18::2" }, true),
    node("node.two", { ipv6: "fc00:18::3" }),
  ];
  assert.deepEqual(told({}, ...items), [
    "node-1 172.18.0.2:4244 node-1.default.hubble-grpc.cilium.io",
    "node.two [fc00:18::3]:4244 node-two.default.hubble-grpc.cilium.io",
  ]);
  assert.deepEqual(told({ tls: false, clusterName: "blue" }, ...items), [
    "blue/node-1 172.18.0.2:4244 plain",
    "blue/node.two [fc00:18::3]:4244 plain",
  ]);
});

test("a node that is gone is no peer, and one without an address is none yet", () => {
  assert.deepEqual(
    told({}, node("a", { ipv4: "172.18.0.2" }), { kind: "node-gone", name: "a" }, node("b", {})),
    [],
  );
});

test("where nobody is served beyond this node, there is this node's socket", () => {
  const items = [node("a", { ipv4: "172.18.0.2" }, true), node("b", { ipv4: "172.18.0.3" })];
  assert.deepEqual(told({ port: undefined }, ...items), ["a unix:///run/hubble.sock plain"]);
});
