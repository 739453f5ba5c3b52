import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "@tsilium/kube";
import { endpointSliceTable, serviceTable } from "../../node/watches.ts";
import { PolicyServices } from "./services.ts";

const service = (selector?: Record<string, string>): Service => ({
  metadata: { name: "db", namespace: "shop", labels: { tier: "data" } },
  spec: selector ? { selector } : {},
});
const slice = (name: string, addresses: string[], service = "db"): EndpointSlice => ({
  metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": service } },
  addressType: "IPv4",
  endpoints: addresses.map((address) => ({ addresses: [address] })),
});

function setUp() {
  const services = serviceTable();
  const slices = endpointSliceTable();
  const policy = new PolicyServices(services, slices);
  let changes = 0;
  policy.table.subscribe(() => void changes++);
  const show = () =>
    [...policy.table.values()].map(
      ({ namespace, name, labels, selector, backends }) =>
        `${namespace}/${name} ${labels} ${JSON.stringify(selector)} ${backends}`,
    );
  return { services, slices, show, changes: () => changes };
}

test("a service without a selector is its slices' addresses, each once", () => {
  const { services, slices, show } = setUp();
  slices.upsert(slice("db-1", ["192.0.2.2", "192.0.2.1"]));
  services.upsert(service());
  slices.upsert(slice("db-2", ["192.0.2.1", "2001:db8::1"]));
  slices.upsert(slice("web-1", ["192.0.2.9"], "web"));
  assert.deepEqual(show(), [
    "shop/db k8s:tier=data undefined 192.0.2.1/32,192.0.2.2/32,2001:db8::1/128",
  ]);
  slices.upsert(slice("db-1", ["192.0.2.2"], "web"));
  assert.deepEqual(show(), ["shop/db k8s:tier=data undefined 192.0.2.1/32,2001:db8::1/128"]);
});

test("a service with a selector is its pods, whatever its slices list, and their coming and going is no news", () => {
  const { services, slices, show, changes } = setUp();
  services.upsert(service({ app: "db" }));
  slices.upsert(slice("db-1", ["10.244.0.7"]));
  services.upsert(service({ app: "db" }));
  assert.deepEqual(show(), ['shop/db k8s:tier=data {"app":"db"} ']);
  assert.equal(changes(), 1);
});

test("an empty selector selects no pod: it is none", () => {
  const { services, slices, show } = setUp();
  services.upsert(service({}));
  slices.upsert(slice("db-1", ["192.0.2.1"]));
  assert.deepEqual(show(), ["shop/db k8s:tier=data undefined 192.0.2.1/32"]);
});

test("a service that goes takes its addresses along", () => {
  const { services, slices, show } = setUp();
  services.upsert(service());
  slices.upsert(slice("db-1", ["192.0.2.1"]));
  services.delete("shop/db");
  assert.deepEqual(show(), []);
});
