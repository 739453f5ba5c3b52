import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice } from "@tsilium/kube";
import { endpointSliceTable } from "../node/watches.ts";
import { ApiServerAddresses } from "./api-server.ts";

const slice = (
  name: string,
  service: string,
  addresses: readonly string[],
  addressType: EndpointSlice["addressType"] = "IPv4",
): EndpointSlice => ({
  metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": service } },
  addressType,
  endpoints: addresses.map((address) => ({ addresses: [address] })),
});

function setUp() {
  const slices = endpointSliceTable();
  const apiServer = new ApiServerAddresses(slices);
  const told: string[] = [];
  apiServer.table.subscribe(({ kind, row }) => void told.push(`${kind} ${row}`));
  const addresses = () => [...apiServer.table.values()].map(String).sort();
  return { slices, apiServer, addresses, told };
}

test("the API server is where the slices of the service kubernetes say, of both families", () => {
  const { slices, addresses } = setUp();
  slices.upsert(slice("kubernetes", "kubernetes", ["172.18.0.2", "172.18.0.3"]));
  slices.upsert(slice("kubernetes-6", "kubernetes", ["fc00:18::2"], "IPv6"));
  slices.upsert(slice("other", "web", ["10.244.0.7"]));
  slices.upsert(slice("nonsense", "kubernetes", ["nowhere"]));
  slices.upsert(slice("names", "kubernetes", ["10.0.0.1"], "FQDN"));
  assert.deepEqual(addresses(), ["172.18.0.2", "172.18.0.3", "fc00:18::2"]);
});

test("a service of that name in another namespace is not the API server", () => {
  const { slices, addresses } = setUp();
  const { metadata, ...rest } = slice("kubernetes", "kubernetes", ["10.244.0.7"]);
  slices.upsert({ ...rest, metadata: { ...metadata, namespace: "shop" } });
  assert.deepEqual(addresses(), []);
});

test("an API server that moves is at its new address before it leaves the old one", () => {
  const { slices, told } = setUp();
  slices.upsert(slice("kubernetes", "kubernetes", ["172.18.0.2"]));
  slices.upsert(slice("kubernetes", "kubernetes", ["172.18.0.2"]));
  slices.upsert(slice("kubernetes", "kubernetes", ["172.18.0.9"]));
  slices.delete("default/kubernetes");
  assert.deepEqual(told, [
    "upsert 172.18.0.2",
    "upsert 172.18.0.9",
    "delete 172.18.0.2",
    "delete 172.18.0.9",
  ]);
});
