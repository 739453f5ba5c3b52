import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@tsilium/kube";
import { Address, Labels } from "@tsilium/net";
import { podNamedPorts, publishedEndpoint } from "./cilium-endpoint.ts";
import type { Endpoint, EndpointPolicy } from "./model.ts";
import { exampleEndpoint } from "./testing/endpoint.ts";
import { decodeEndpoint, encodeEndpoint } from "./state-files.ts";

const endpoint = exampleEndpoint({
  ipv4: Address.parse("10.244.0.7"),
  labels: Labels.parse(["k8s:app=cart"]),
  createdAt: "now",
  attachedAt: "now",
});
const policy: EndpointPolicy = { subject: 4, identity: 300, ingress: "enforcing", egress: "audit" };
const pod: Pod = {
  metadata: { name: "cart", namespace: "shop", uid: "uid-1" },
  spec: {
    containers: [{ name: "app", ports: [{ name: "http", containerPort: 80 }] }],
    initContainers: [
      {
        name: "proxy",
        restartPolicy: "Always",
        ports: [{ name: "admin", containerPort: 15000 }, { containerPort: 15001 }],
      },
      { name: "migrate", ports: [{ name: "once", containerPort: 9 }] },
    ],
  },
};
const publish = (row: Endpoint) =>
  publishedEndpoint([row], pod, Address.parse("172.18.0.2"))?.object;

test("a CiliumEndpoint names its pod by UID, so that the next pod of that name is another owner", () => {
  assert.deepEqual(publish(endpoint)?.metadata.ownerReferences, [
    { apiVersion: "v1", kind: "Pod", name: "cart", uid: "uid-1" },
  ]);
});

test("named ports are those of containers and of sidecars", () => {
  const expected = [
    { name: "http", port: 80, protocol: "TCP" },
    { name: "admin", port: 15000, protocol: "TCP" },
  ];
  assert.deepEqual(podNamedPorts(pod), expected);
  assert.deepEqual(publish(endpoint)?.status?.["named-ports"], expected);
});

test("how policy is enforced is told in Cilium's words, once it is", () => {
  assert.equal(publish(endpoint)?.status?.policy, undefined);
  assert.deepEqual(publish({ ...endpoint, policy })?.status?.policy, {
    ingress: { enforcing: true, state: "enforcing" },
    egress: { enforcing: false, state: "non-enforcing" },
  });
});

test("an endpoint's policy is not on disk: what an earlier agent's subjects were nobody knows", () => {
  const text = encodeEndpoint({ ...endpoint, policy });
  assert.equal(text, encodeEndpoint(endpoint));
  assert.equal(decodeEndpoint(text).policy, undefined);
});
