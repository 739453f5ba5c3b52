import assert from "node:assert/strict";
import { test } from "node:test";
import { AgentEventTypeSchema } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import type { AgentEvent } from "@tsilium/hubble/model.ts";
import type { FeedItem } from "../feed/model.ts";
import { AgentEvents } from "./agent-events.ts";

const endpoint: FeedItem = {
  kind: "endpoint",
  id: 7,
  identity: 4711,
  labels: ["k8s:app=web"],
  namespace: "shop",
  podName: "web-1",
  workloads: [],
  ipv4: "10.244.0.5",
  ipv6: undefined,
  ifindex: 12,
  interfaceName: "lxc1",
  netnsCookie: 99n,
};
const address: FeedItem = {
  kind: "address",
  prefix: "10.244.1.9/32",
  identity: 4712,
  hostIp: "172.18.0.3",
  namespace: "shop",
  podName: "cart",
};
const synced: FeedItem = { kind: "synced" };

function events() {
  const made = new AgentEvents(() => 5n);
  return (...items: FeedItem[]): string[] =>
    items.flatMap((item) => {
      const event = made.of(item);
      return event ? [text(event)] : [];
    });
}

function text({ type, notification }: AgentEvent): string {
  const words = Object.values(notification).flat().filter(Boolean).join(" ");
  return `${nameOf(type)} ${words}`;
}

function nameOf(type: number): string {
  return AgentEventTypeSchema.values.find(({ number }) => number === type)?.name ?? "";
}

test("what was before the start is no event", () => {
  const of = events();
  assert.deepEqual(of(endpoint, address, synced), []);
  assert.deepEqual(of(endpoint, address), []);
});

test("endpoints that come and go are told, and not what changes of them", () => {
  const of = events();
  of(synced);
  assert.deepEqual(
    of(
      endpoint,
      { ...endpoint, identity: 5 },
      { kind: "endpoint-gone", id: 7 },
      { kind: "endpoint-gone", id: 7 },
    ),
    [
      "ENDPOINT_CREATED endpointUpdate 7 k8s:app=web web-1 shop",
      "ENDPOINT_DELETED endpointUpdate 7 k8s:app=web web-1 shop",
    ],
  );
});

test("an address that goes to another identity or node is told anew", () => {
  const of = events();
  of(synced);
  assert.deepEqual(
    of(
      address,
      address,
      { ...address, identity: 9 },
      { kind: "address-gone", prefix: "10.244.1.9/32" },
    ),
    [
      "IPCACHE_UPSERTED ipCacheUpdate 10.244.1.9/32 4712 172.18.0.3 shop cart",
      "IPCACHE_UPSERTED ipCacheUpdate 10.244.1.9/32 9 172.18.0.3 shop cart",
      "IPCACHE_DELETED ipCacheUpdate 10.244.1.9/32 9 172.18.0.3 shop cart",
    ],
  );
});

test("policies are told with their labels, revision and rules", () => {
  const of = events();
  of(synced);
  const ref = { kind: "CiliumNetworkPolicy", namespace: "shop", name: "web" };
  assert.deepEqual(
    of(
      { kind: "policy", ref, revision: 3, rules: 2, gone: false },
      { kind: "policy", ref, revision: 4, rules: 0, gone: true },
    ),
    ["POLICY_UPDATED", "POLICY_DELETED"].map(
      (type, at) =>
        `${type} policyUpdate k8s:io.cilium.k8s.policy.derived-from=CiliumNetworkPolicy k8s:io.cilium.k8s.policy.name=web k8s:io.cilium.k8s.policy.namespace=shop ${at + 3}${at === 0 ? " 2" : ""}`,
    ),
  );
});
