import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@tsilium/kube";
import type { NamedPort } from "@tsilium/policy/model.ts";
import { repeat } from "@tsilium/testkit";
import { NamedPorts } from "./named-ports.ts";
import { auditModeOf, namedPortsOf, publishedPortsOf } from "./pod-traits.ts";

const http = (port: number): NamedPort => ({ name: "http", protocol: 6, port });
const dns: NamedPort = { name: "dns", protocol: 17, port: 53 };
const show = (ports: readonly NamedPort[]) =>
  ports.map(({ name, protocol, port }) => `${name}/${protocol}/${port}`).join(" ");

test("an identity has the named ports of all its endpoints, as long as one of them has it", () => {
  const ports = new NamedPorts();
  const told: string[] = [];
  ports.table.subscribe(
    ({ kind, row }) => void told.push(`${kind} ${row.identity} ${show(row.ports)}`),
  );
  ports.set("endpoint/1", 300, [http(80), dns]);
  ports.set("endpoint/2", 300, [http(80)]);
  ports.set("endpoint/3", 300, [http(8080)]);
  ports.delete("endpoint/1");
  ports.delete("endpoint/3");
  assert.equal(show(ports.of(300)), "http/6/80");
  ports.delete("endpoint/2");
  assert.deepEqual(told, [
    "upsert 300 dns/17/53 http/6/80",
    "upsert 300 dns/17/53 http/6/80 http/6/8080",
    "upsert 300 http/6/80 http/6/8080",
    "upsert 300 http/6/80",
    "delete 300 http/6/80",
  ]);
});

test("an endpoint that changes its identity takes its ports along, and is never without", () => {
  const ports = new NamedPorts();
  ports.set("endpoint/1", 300, [http(80)]);
  const told: string[] = [];
  ports.table.subscribe(({ kind, row }) => void told.push(`${kind} ${row.identity}`));
  ports.set("endpoint/1", 301, [http(80)]);
  assert.deepEqual(told, ["upsert 301", "delete 300"]);
});

test("the ports of an identity are those of a search of all endpoints, after any sequence of changes", () => {
  repeat({ runs: 100 }, (random) => {
    const ports = new NamedPorts();
    const endpoints = new Map<string, { identity: number; ports: NamedPort[] }>();
    for (let step = 0; step < 40; step++) {
      const owner = `endpoint/${random.below(5)}`;
      if (random.chance(0.7)) {
        const identity = 300 + random.below(3);
        const own = Array.from({ length: random.below(3) }, () => http(80 + random.below(3)));
        endpoints.set(owner, { identity, ports: own });
        ports.set(owner, identity, own);
      } else {
        endpoints.delete(owner);
        ports.delete(owner);
      }
      for (const identity of [300, 301, 302]) {
        const expected = [...endpoints.values()]
          .filter((endpoint) => endpoint.identity === identity)
          .flatMap((endpoint) => endpoint.ports)
          .map(({ port }) => port);
        assert.deepEqual(
          ports.of(identity).map(({ port }) => port),
          [...new Set(expected)].sort(),
        );
      }
    }
  });
});

const pod = (spec: Pod["spec"], annotations: Record<string, string> = {}): Pod => ({
  metadata: { name: "cart", namespace: "shop", annotations },
  spec,
});

test("a pod's named ports are those of its containers and sidecars, not of what only initialises it", () => {
  const container = (name: string, containerPort: number, protocol?: "UDP") => ({
    name,
    ports: [{ name, containerPort, ...(protocol ? { protocol } : {}) }, { containerPort: 1 }],
  });
  const found = namedPortsOf(
    pod({
      containers: [container("http", 80), container("dns", 53, "UDP")],
      initContainers: [
        { ...container("proxy", 15001), restartPolicy: "Always" },
        container("migrate", 9),
      ],
    }),
  );
  assert.equal(show(found), "http/6/80 dns/17/53 proxy/6/15001");
  assert.deepEqual(namedPortsOf(undefined), []);
});

test("what another node publishes as named ports is heard as far as it makes sense", () => {
  const object = {
    metadata: { name: "cart", namespace: "shop" },
    status: {
      "named-ports": [
        { name: "http", port: 80, protocol: "TCP" },
        { name: "plain", port: 81 },
        { name: "odd", port: 82, protocol: "constructor" },
        { name: "far", port: 65536, protocol: "TCP" },
        { name: "none", port: 0, protocol: "TCP" },
        { port: 83, protocol: "TCP" },
      ],
    },
  };
  assert.equal(show(publishedPortsOf(object)), "http/6/80 plain/6/81");
});

const audits: readonly (readonly [string, string | undefined, string | undefined, boolean])[] = [
  ["nobody says anything", undefined, undefined, false],
  ["the pod says audit", "audit", undefined, true],
  ["its namespace says audit", undefined, "audit", true],
  ["the pod says enforce in a namespace that says audit", "enforce", "audit", false],
  ["the pod says something else in a namespace that says audit", "Audit", "audit", true],
  ["the pod says something else", "off", undefined, false],
];
for (const [case_, ofPod, ofNamespace, expected] of audits) {
  test(`audit mode when ${case_}: ${expected ? "on" : "off"}`, () => {
    const annotations = (value: string | undefined): Record<string, string> =>
      value === undefined ? {} : { "policy.tsilium.io/enforcement": value };
    const namespace = { metadata: { name: "shop", annotations: annotations(ofNamespace) } };
    const { audit, warnings } = auditModeOf(pod({ containers: [] }, annotations(ofPod)), namespace);
    assert.equal(audit, expected);
    const odd = ofPod !== undefined && ofPod !== "audit" && ofPod !== "enforce";
    assert.deepEqual(
      warnings,
      odd
        ? [`annotation policy.tsilium.io/enforcement is "${ofPod}": wanted audit or enforce`]
        : [],
    );
  });
}
