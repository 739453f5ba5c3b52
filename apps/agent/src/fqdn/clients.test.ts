import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { Address } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { Clients } from "./clients.ts";

const endpoint = (id: number, ipv4: string, ipv6?: string) =>
  ({
    id,
    ipv4: Address.parse(ipv4),
    ipv6: ipv6 === undefined ? undefined : Address.parse(ipv6),
  }) as Endpoint;

test("a question is the endpoint's that has the address now, of either family", () => {
  const endpoints = new Table<Endpoint>({ name: "endpoints", key: ({ id }) => String(id) });
  endpoints.upsert(endpoint(1, "10.244.0.1", "fd00::1"));
  using clients = new Clients(endpoints);
  assert.deepEqual(
    ["10.244.0.1", "::ffff:10.244.0.1", "fd00::1", "10.244.0.2", "nobody"].map((client) =>
      clients.endpointOf(client),
    ),
    [1, 1, 1, 0, 0],
  );
  endpoints.upsert(endpoint(2, "10.244.0.1"));
  endpoints.delete("1");
  assert.deepEqual([clients.endpointOf("10.244.0.1"), clients.endpointOf("fd00::1")], [2, 0]);
  endpoints.upsert(endpoint(2, "10.244.0.9"));
  assert.deepEqual([clients.endpointOf("10.244.0.1"), clients.endpointOf("10.244.0.9")], [0, 2]);
});
