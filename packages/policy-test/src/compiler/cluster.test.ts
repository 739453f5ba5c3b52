// The compiler's cluster does what every cluster does; what only it can do is tested here besides.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TestError } from "../error.ts";
import { expect } from "../expect.ts";
import { namespace, pod } from "../manifests/pods.ts";
import { clusterSuite } from "../testing/suite.ts";
import { testCluster } from "./cluster.ts";

clusterSuite(testCluster);

const isolate = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: isolate, namespace: shop }
spec: { podSelector: {}, policyTypes: [Ingress] }
`;

test("the world reaches pods unless a policy isolates them", async () => {
  await using cluster = await testCluster({ pods: { "shop/backend": {} } });
  const backend = cluster.pod("shop/backend");
  await expect(cluster.world("198.51.100.7")).toReach(backend, 80);
  await cluster.apply(isolate);
  await expect(cluster.world("198.51.100.7")).not.toReach(backend, 80);
  await expect(cluster.world()).not.toReach(backend, 80);
});

test("an ipBlock matches pods and nodes by their addresses, unless it is set to match as Cilium's rules do", async () => {
  const allowNode = `${isolate.replace("policyTypes: [Ingress]", "ingress: [{ from: [{ ipBlock: { cidr: 172.18.0.3/32 } }, { ipBlock: { cidr: 10.244.9.9/32 } }] }]")}`;
  const options = {
    manifests: [allowNode],
    pods: {
      "shop/backend": { node: "node-1" },
      "shop/frontend": { addresses: ["10.244.9.9"] },
    },
  };
  const family = { family: 4 } as const;
  await using strict = await testCluster(options);
  await expect(strict.pod("shop/frontend")).toReach(strict.pod("shop/backend"), 80, family);
  await expect(strict.entity("remote-node")).toReach(strict.pod("shop/backend"), 80, family);
  await using external = await testCluster({
    ...options,
    settings: { "k8s-ipblock-match": "external" },
  });
  await expect(external.pod("shop/frontend")).not.toReach(external.pod("shop/backend"), 80, family);
  await expect(external.entity("remote-node")).not.toReach(external.pod("shop/backend"), 80);
});

test("settings are the agent's own, and others are refused", async () => {
  const pods = { "shop/a": {}, "shop/b": {} };
  await using always = await testCluster({ pods, settings: { "enable-policy": "always" } });
  await expect(always.pod("shop/a")).not.toReach(always.pod("shop/b"), 80);
  await using single = await testCluster({ pods, settings: { "enable-ipv6": "false" } });
  assert.deepEqual(single.families, [4]);
  await expect(single.pod("shop/a")).toReach(single.world(), 80);
  await assert.rejects(
    testCluster({ settings: { "enable-polcy": "always" } }),
    /setting "enable-polcy"/,
  );
  await assert.rejects(
    testCluster({ settings: { "enable-policy": "on" } }),
    /default, always, never/,
  );
});

test("workloads count as a pod of their name, with their template's labels and ports", async () => {
  const deployment = {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace: "shop", labels: { app: "not-this" } },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "web", ports: [{ name: "http", containerPort: 8080 }] }] },
      },
    },
  };
  const policy = isolate.replace("podSelector: {}", "podSelector: { matchLabels: { app: web } }");
  await using cluster = await testCluster({
    manifests: [deployment, policy],
    pods: { "shop/a": {} },
  });
  const connection = cluster.pod("shop/a").to(cluster.pod("shop/web"), "http");
  await expect(connection).toBeDeniedBy({ kind: "NetworkPolicy", name: "isolate" });
  await assert.rejects(
    expect(cluster.pod("shop/a")).toReach(cluster.pod("shop/web"), "https"),
    TestError,
  );
});

test("a pod in its node's network has the node's identity", async () => {
  await using cluster = await testCluster({
    manifests: [isolate],
    pods: {
      "shop/backend": { node: "node-1" },
      "system/near": { node: "node-1", hostNetwork: true },
      "system/far": { node: "node-2", hostNetwork: true },
    },
  });
  const backend = cluster.pod("shop/backend");
  await expect(cluster.pod("system/near")).toReach(backend, 80);
  await expect(cluster.pod("system/far")).not.toReach(backend, 80);
});

test("a namespace's labels and audit mode count", async () => {
  const selecting = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: from-team-a, namespace: shop }
spec:
  podSelector: {}
  ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: a } } }] }]
`;
  await using cluster = await testCluster({
    manifests: [namespace("one", { team: "a" }), namespace("two", { team: "b" }), selecting],
    pods: { "one/pod": {}, "two/pod": {}, "shop/pod": {} },
  });
  const shop = cluster.pod("shop/pod");
  await expect(cluster.pod("one/pod")).toReach(shop, 80);
  await expect(cluster.pod("two/pod")).not.toReach(shop, 80);
  const audited = namespace("shop");
  const annotations = { "policy.tsilium.io/enforcement": "audit" };
  await cluster.apply({ ...audited, metadata: { ...audited.metadata, annotations } });
  await expect(cluster.pod("two/pod").to(shop, 80)).toBeAudited();
});

test("CIDR groups and services are what rules refer to", async () => {
  const policy = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: out, namespace: shop }
spec:
  endpointSelector: {}
  egress:
    - toCIDRSet: [{ cidrGroupRef: partners }]
    - toServices: [{ k8sService: { serviceName: database, namespace: data } }]
`;
  const group = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumCIDRGroup",
    metadata: { name: "partners" },
    spec: { externalCIDRs: ["198.51.100.0/24"] },
  };
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "database", namespace: "data" },
    spec: { selector: { app: "sql" }, ports: [{ port: 5432 }] },
  };
  await using cluster = await testCluster({
    manifests: [policy, group, service],
    pods: { "shop/a": {}, "data/sql": { labels: { app: "sql" } }, "data/other": {} },
  });
  const a = cluster.pod("shop/a");
  await expect(a).toReach(cluster.world("198.51.100.9"), 443);
  await expect(a).not.toReach(cluster.world("198.51.101.9"), 443);
  await expect(a).toReach(cluster.pod("data/sql"), 5432);
  await expect(a).not.toReach(cluster.pod("data/other"), 5432);
  await cluster.delete(group);
  await expect(a).not.toReach(cluster.world("198.51.100.9"), 443);
});

test("nothing is applied of manifests of which one is wrong", async () => {
  await using cluster = await testCluster({ pods: { "shop/a": {}, "shop/b": {} } });
  const wrong = isolate.replace("[Ingress]", "[Sideways]");
  await assert.rejects(cluster.apply(isolate, wrong), TestError);
  await expect(cluster.pod("shop/a")).toReach(cluster.pod("shop/b"), 80);
  await assert.rejects(
    testCluster({ manifests: ["no/such/*.yaml"] }),
    /no file is called no\/such/,
  );
  await assert.rejects(testCluster({ manifests: ["kind: [\n"] }), TestError);
});

test("a pod without labels and namespace labels of its own is somebody all the same", async () => {
  await using cluster = await testCluster({ manifests: [pod("shop/a"), pod("shop/b"), isolate] });
  await expect(cluster.pod("shop/a")).not.toReach(cluster.pod("shop/b"), 80);
});
