import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "@tsilium/kube";
import {
  ContainerConfigError,
  environmentOf,
  expand,
  hostnameOf,
  type Sources,
} from "./environment.ts";

const pod: Pod = {
  metadata: { name: "web-1", namespace: "demo", uid: "u", labels: { app: "web" } },
  spec: { nodeName: "node-1", containers: [] },
};
const facts = { pod, hostIps: ["172.18.0.2", "fc00:18::2"], podIps: ["10.244.0.5", "fd00::5"] };
const sources: Sources = {
  configMaps: new Map([["settings", { metadata: {}, data: { color: "blue" } }]]),
  secrets: new Map([
    ["keys", { metadata: {}, data: { token: Buffer.from("s3cret").toString("base64") } }],
  ]),
};
const environment = (container: Omit<Container, "name">) =>
  environmentOf({ name: "c", ...container }, facts, sources);

test("values are literal, from fields, ConfigMaps and Secrets", () => {
  const found = environment({
    envFrom: [{ configMapRef: { name: "settings" }, prefix: "CM_" }],
    env: [
      { name: "PLAIN", value: "x" },
      { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: "IPS", valueFrom: { fieldRef: { fieldPath: "status.podIPs" } } },
      { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
      {
        name: "NONE",
        valueFrom: { configMapKeyRef: { name: "nosuch", key: "k", optional: true } },
      },
    ],
  });
  const { PATH: _, HOME: __, ...rest } = found;
  assert.deepEqual(rest, {
    HOSTNAME: "web-1",
    CM_color: "blue",
    PLAIN: "x",
    POD: "web-1",
    APP: "web",
    IPS: "10.244.0.5,fd00::5",
    TOKEN: "s3cret",
  });
});

const missing: readonly (readonly [Omit<Container, "name">, RegExp])[] = [
  [
    { env: [{ name: "A", valueFrom: { secretKeyRef: { name: "nosuch", key: "k" } } }] },
    /secret "nosuch" not found/,
  ],
  [
    { env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "settings", key: "k" } } }] },
    /find key k/,
  ],
  [{ envFrom: [{ configMapRef: { name: "nosuch" } }] }, /configmap "nosuch" not found/],
  [
    { env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "spec.nosuch" } } }] },
    /not supported/,
  ],
];

for (const [container, message] of missing) {
  test(`a reference that leads nowhere is an error: ${message.source}`, () => {
    assert.throws(
      () => environment(container),
      (error) => error instanceof ContainerConfigError && message.test(error.message),
    );
  });
}

test("$(NAME) is expanded, $$ is a dollar, an unknown name stays", () => {
  assert.equal(expand("$(A)-$$(A)-$(B)-$A", { A: "x" }), "x-$(A)-$(B)-$A");
});

test("a variable sees those before it", () => {
  const { B } = environment({
    env: [
      { name: "A", value: "1" },
      { name: "B", value: "$(A)2" },
    ],
  });
  assert.equal(B, "12");
});

test("a host name is cut to what a host name may be", () => {
  const long = `${"a".repeat(62)}.b`;
  assert.equal(hostnameOf({ ...pod, metadata: { name: long } }), "a".repeat(62));
});
