import assert from "node:assert/strict";
import { test } from "node:test";
import type { Flow } from "@tsilium/hubble/model.ts";
import { PolicyCompiler } from "../compile/compiler.ts";
import type { Policy } from "../model.ts";
import { parsePolicy } from "../parse/parse.ts";
import {
  denied,
  entityEndpoint,
  forwarded,
  packet,
  podEndpoint,
  type Someone,
  tcp,
} from "../suggest/testing/seen.ts";
import { judge, type Judge } from "./judge.ts";
import { replay } from "./replay.ts";
import { SeenConnections } from "./seen-connection.ts";

const web: Someone = {
  group: "web",
  endpoint: podEndpoint("shop", { app: "web" }, "web-1"),
  address: "10.244.1.5",
};
const client: Someone = {
  group: "client",
  endpoint: podEndpoint("shop", { app: "client" }, "client-1"),
  address: "10.244.1.6",
};
const stranger: Someone = {
  group: "stranger",
  endpoint: podEndpoint("other", { app: "client" }, "stranger-1"),
  address: "10.244.2.6",
};

function world(address: string): Someone {
  return { group: "world", endpoint: entityEndpoint("world", 2), address };
}

function seen(flows: readonly Flow[]) {
  const connections = new SeenConnections();
  for (const flow of flows) connections.add(flow);
  return connections.connections();
}

function explainWith(...specs: readonly object[]): Judge {
  const compiler = new PolicyCompiler({
    enablePolicy: "default",
    allowLocalhost: true,
    cidrMatchMode: [],
    audit: false,
    denyResponse: "drop",
    clusterName: "default",
  });
  const policies: Policy[] = [];
  for (const [at, spec] of specs.entries()) {
    const metadata = { name: `policy-${at}`, namespace: "shop" };
    const object = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec };
    const result = parsePolicy(object, { clusterName: "default" });
    assert.ok(result.ok);
    policies.push(result.policy);
    compiler.setPolicy(result.policy);
  }
  return judge((question) => compiler.explain(question), { policies });
}

const endpointSelector = { matchLabels: { app: "web" } };
const onlyClient = {
  endpointSelector,
  ingress: [{ fromEndpoints: [{ matchLabels: { app: "client" } }] }],
};

test("connections whose verdict would change are told with what decides then", () => {
  const connections = seen([
    ...forwarded({ from: client, to: web, port: tcp(80) }),
    ...forwarded({ from: stranger, to: web, port: tcp(80) }),
    ...forwarded({ from: stranger, to: web, port: tcp(80) }),
  ]);
  const report = replay(connections, { before: explainWith(), after: explainWith(onlyClient) });
  assert.deepEqual(
    report.changes.map(({ before, after, by, flows, connections: changed }) => ({
      before,
      after,
      by,
      flows,
      pods: changed.map(({ from }) => from.endpoint.podName),
    })),
    [
      {
        before: "allowed",
        after: "denied",
        by: [{ kind: "CiliumNetworkPolicy", namespace: "shop", name: "policy-0", path: "spec" }],
        flows: 4,
        pods: ["stranger-1"],
      },
    ],
  );
  assert.equal(report.connections, 2);
  assert.equal(report.recordedOtherwise, 0);
});

test("what was denied and would be let through is told too", () => {
  const connections = seen(denied({ from: stranger, to: web, port: tcp(80) }, "ingress"));
  const { changes } = replay(connections, {
    before: explainWith(onlyClient),
    after: explainWith(onlyClient, { endpointSelector, ingress: [{ fromEntities: ["all"] }] }),
  });
  assert.deepEqual(
    changes.map(({ before, after, by }) => [before, after, by[0]?.path]),
    [["denied", "allowed", "spec.ingress[0]"]],
  );
});

test("addresses of the world are told apart, as rules tell them", () => {
  const connections = seen([
    ...forwarded({ from: world("203.0.113.7"), to: web, port: tcp(443) }),
    ...forwarded({ from: world("198.51.100.9"), to: web, port: tcp(443) }),
  ]);
  const { changes } = replay(connections, {
    before: explainWith(),
    after: explainWith({ endpointSelector, ingress: [{ fromCIDR: ["203.0.113.0/24"] }] }),
  });
  assert.deepEqual(
    changes.flatMap(({ connections: changed }) => changed.map(({ from }) => from.address)),
    ["198.51.100.9"],
  );
});

test("of more addresses than are kept apart all are counted, by an example", () => {
  const connections = new SeenConnections();
  for (let at = 0; at < 3000; at++) {
    const from = world(`203.0.${at >> 8}.${at & 255}`);
    connections.add(packet({ from, to: web, port: tcp(443) }, "ingress"));
  }
  const all = connections.connections();
  assert.equal(all.length, 1025);
  assert.equal(
    all.reduce((sum, one) => sum + one.forwarded, 0),
    3000,
  );
  const report = replay(all, {
    before: explainWith(),
    after: explainWith({ endpointSelector, ingress: [{ fromCIDR: ["203.0.0.0/16"] }] }),
  });
  assert.deepEqual(report.changes, []);
});

test("a scan of every port of every pod takes bounded memory, and says so", () => {
  const connections = new SeenConnections();
  for (let pod = 0; pod < 4; pod++) {
    const to = { ...web, endpoint: podEndpoint("shop", { app: `web-${pod}` }, "web") };
    for (let port = 1; port < 60_000; port++)
      connections.add(packet({ from: client, to, port: tcp(port) }, "ingress"));
  }
  assert.equal(connections.connections().length, 200_000);
  assert.equal(connections.leftOutFlows, 4 * 59_999 - 200_000);
});

test("connections that became of otherwise than policy has it are counted", () => {
  const connections = seen(forwarded({ from: stranger, to: web, port: tcp(80) }));
  const now = explainWith(onlyClient);
  assert.equal(replay(connections, { before: now, after: now }).recordedOtherwise, 1);
});

test("labels that are none do not stop a replay", () => {
  const odd = {
    ...web,
    endpoint: { ...web.endpoint, labels: ["", "k8s:=x", ...web.endpoint.labels] },
  };
  assert.deepEqual(seen(forwarded({ from: client, to: odd, port: tcp(80) })), []);
});
