import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { exampleEndpoint } from "@tsilium/endpoint/testing/endpoint.ts";
import type { Pod } from "@tsilium/kube";
import { Table } from "@tsilium/tables";
import { podTable } from "../../node/watches.ts";
import { keepLocalPorts } from "./local-ports.ts";
import { NamedPorts } from "./named-ports.ts";

const endpoint = exampleEndpoint();
const pod = (uid: string, containerPort: number): Pod => ({
  metadata: { name: "cart", namespace: "shop", uid },
  spec: { containers: [{ name: "app", ports: [{ name: "http", containerPort }] }] },
});

function setUp() {
  const endpoints = new Table<Endpoint>({
    name: "endpoints",
    key: ({ id }) => String(id),
    indexes: { pod: ({ namespace, podName }) => [`${namespace}/${podName}`] },
  });
  const pods = podTable();
  const namedPorts = new NamedPorts();
  keepLocalPorts({ namedPorts, endpoints, pods });
  const show = () =>
    [...namedPorts.table.values()].map(
      ({ identity, ports }) => `${identity}: ${ports.map(({ port }) => port).join(" ")}`,
    );
  return { endpoints, pods, show };
}

test("the ports of a local endpoint are its pod's, whichever of both is heard of first", () => {
  for (const podFirst of [true, false]) {
    const { endpoints, pods, show } = setUp();
    if (podFirst) pods.upsert(pod("uid-1", 80));
    endpoints.upsert(endpoint);
    if (!podFirst) pods.upsert(pod("uid-1", 80));
    assert.deepEqual(show(), ["300: 80"]);
    endpoints.upsert({ ...endpoint, identity: 301 });
    assert.deepEqual(show(), ["301: 80"]);
    endpoints.upsert({ ...endpoint, identity: 301, state: "disconnecting" });
    assert.deepEqual(show(), []);
  }
});

test("another pod of the same name lends an endpoint no ports", () => {
  const { endpoints, pods, show } = setUp();
  endpoints.upsert(endpoint);
  pods.upsert(pod("uid-2", 81));
  assert.deepEqual(show(), []);
});
