import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { KubeClient, type Pod } from "@tsilium/kube";
import { Address, Labels } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { Endpoints } from "./endpoints.ts";
import { EndpointPublisher } from "./publisher.ts";
import { StateFiles } from "./state-files.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-publisher-"));
after(() => rmSync(folder, { recursive: true }));

test("a new identity is published when the pod's packets carry it, not before", () => {
  const endpoints = new Endpoints(new StateFiles(folder));
  const { id } = endpoints.create({
    attachment: { containerId: "c1", ifName: "eth0" },
    netns: "/var/run/netns/x",
    network: "tsilium",
    ipv4: Address.parse("10.244.0.7"),
    ipv6: undefined,
    namespace: "shop",
    podName: "cart",
    podUid: "u-1",
    identity: 300,
    labels: Labels.parse(["k8s:app=cart"]),
  });
  using publisher = new EndpointPublisher({
    // Nothing is asked of the API server here: nobody reconciles the table.
    client: new KubeClient({ server: "http://127.0.0.1:1" }),
    endpoints: endpoints.table,
    pods: new Table<Pod>({ name: "pods", key: ({ metadata }) => String(metadata.name) }),
    nodeAddress: Address.parse("172.18.0.2"),
  });
  publisher.start();
  const published = () => publisher.table.get("shop/cart")?.object.status?.identity;
  const cart = { id: 300, labels: ["k8s:app=cart"] };
  assert.deepEqual(published(), cart);
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, { state: "waiting-to-regenerate" });
  endpoints.change(id, { state: "regenerating" });
  endpoints.change(id, { state: "ready", attachedAt: "now" });

  const till = { identity: 301, labels: Labels.parse(["k8s:app=till"]) };
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, { state: "waiting-to-regenerate", ...till });
  assert.deepEqual(published(), cart);
  endpoints.change(id, { state: "regenerating" });
  assert.deepEqual(published(), cart);
  endpoints.change(id, { state: "ready" });
  assert.deepEqual(published(), { id: 301, labels: ["k8s:app=till"] });

  endpoints.change(id, { state: "disconnecting" });
  assert.equal(published(), undefined);
});
