// What every cluster does, whatever its speed: tests/e2e runs this against a lab, cluster.test.ts against the compiler.
// One cluster for all of it: a lab takes seconds to start.
import assert, { AssertionError } from "node:assert/strict";
import { after, before, test } from "node:test";
import { expect } from "../expect.ts";
import { TestError } from "../error.ts";
import { namespace, pod, type PodDescription } from "../manifests/pods.ts";
import type { Cluster, Manifest } from "../model.ts";

export type MakeSuiteCluster = (options: {
  readonly manifests: readonly Manifest[];
  readonly pods: Readonly<Record<string, PodDescription>>;
}) => Promise<Cluster>;

const backend: PodDescription = {
  labels: { app: "backend" },
  ports: { http: "8080/tcp" },
  node: "node-2",
};

export function clusterSuite(make: MakeSuiteCluster): void {
  let cluster: Cluster;
  before(async () => {
    cluster = await make({
      manifests: [namespace("shop", { team: "shop" }), namespace("other")],
      pods: {
        "shop/frontend": { labels: { app: "frontend" }, node: "node-1" },
        "shop/backend": backend,
        "other/stranger": { labels: { app: "frontend" }, node: "node-1" },
      },
    });
  });
  after(() => cluster?.[Symbol.asyncDispose]());
  const ends = () => ({
    frontend: cluster.pod("shop/frontend"),
    backend: cluster.pod("shop/backend"),
    stranger: cluster.pod("other/stranger"),
  });

  test("without a policy everybody reaches everybody, and the world", async () => {
    const { frontend, backend, stranger } = ends();
    await expect(frontend).toReach(backend, 80);
    await expect(stranger).toReach(backend, "53/udp");
    await expect(stranger).toReach(backend, "icmp");
    await expect(backend).toReach(cluster.world(), 80);
    await expect(frontend.to(backend, 80)).toBeAllowed();
  });

  test("a NetworkPolicy lets in whom it allows, in both families, and is named where it denies", async () => {
    const { frontend, backend, stranger } = ends();
    await cluster.apply(isolate);
    await expect(frontend).toReach(backend, "http");
    await expect(frontend).toReach(backend, "8080/tcp");
    await expect(frontend).not.toReach(backend, 81);
    await expect(stranger).not.toReach(backend, "http");
    const allowed = frontend.to(backend, "http", { family: 6 });
    await expect(allowed).toBeAllowedBy({ ...isolateRef, path: "spec.ingress[0]" });
    await expect(stranger.to(backend, "http")).toBeDeniedBy({ ...isolateRef, path: "spec" });
    await cluster.delete(isolate);
    await expect(stranger).toReach(backend, "http");
  });

  test("a failure says which rule it was, with its lines", async () => {
    const { frontend, backend, stranger } = ends();
    await cluster.apply(isolate);
    const messages = [
      await failure(expect(stranger).toReach(backend, 8080)),
      await failure(expect(frontend).not.toReach(backend, 8080)),
      await failure(
        expect(stranger.to(backend, 8080)).toBeDeniedBy({ kind: "NetworkPolicy", name: "no" }),
      ),
    ];
    await cluster.delete(isolate);
    assert.match(messages[0] ?? "", /expected other\/stranger to reach shop\/backend on 8080/);
    assert.match(messages[0] ?? "", /denied by default: NetworkPolicy shop\/isolate isolates it/);
    assert.match(messages[0] ?? "", /kubernetes\.io\/metadata\.name: other/);
    assert.match(
      messages[1] ?? "",
      /allowed by NetworkPolicy shop\/isolate \(spec\.ingress\[0\]\)/,
    );
    assert.match(messages[1] ?? "", /\| {9}- podSelector:/);
    assert.match(
      messages[2] ?? "",
      /expected other\/stranger -> shop\/backend 8080 to be denied by NetworkPolicy no /,
    );
  });

  test("a deny beats an allow", async () => {
    const { frontend, backend } = ends();
    await cluster.apply(isolate, denyFrontend);
    const connection = frontend.to(backend, 8080);
    await expect(connection).toBeDeniedBy({ name: "deny-frontend", path: "spec.ingressDeny[0]" });
    await cluster.delete(denyFrontend);
    await expect(connection).toBeAllowed();
    await cluster.delete(isolate);
  });

  test("a policy in audit mode lets through, and is told", async () => {
    const { stranger, backend } = ends();
    const { metadata, ...rest } = isolate;
    const annotations = { "policy.tsilium.io/enforcement": "audit" };
    await cluster.apply({ ...rest, metadata: { ...metadata, annotations } });
    await expect(stranger).toReach(backend, 8080);
    await expect(stranger.to(backend, 8080)).toBeAudited();
    await expect(stranger.to(backend, 8080)).toBeDeniedBy(isolateRef);
    await cluster.delete(isolate);
  });

  test("addresses outside the cluster are told from each other by CIDR", async () => {
    const { frontend } = ends();
    await cluster.apply(onlyPartner);
    await expect(frontend).toReach(cluster.world("203.0.113.10"), "53/udp");
    await expect(frontend).not.toReach(cluster.world("203.0.113.10"), "54/udp");
    await expect(frontend).not.toReach(cluster.world("203.0.113.77"), "53/udp");
    await cluster.delete(onlyPartner);
    await expect(frontend).toReach(cluster.world("203.0.113.77"), "5300/udp");
  });

  test("a pod's own node reaches it whatever isolates it, another node does not", async () => {
    const { backend } = ends();
    await cluster.apply(isolate);
    await expect(cluster.entity("host")).toReach(backend, 81);
    await expect(cluster.entity("remote-node")).not.toReach(backend, 81);
    await cluster.delete(isolate);
  });

  test("a pod's labels count as they are now", async () => {
    const { frontend, backend } = ends();
    await cluster.apply(isolate, pod("shop/backend", { ...backendWith("elsewhere") }));
    await expect(frontend).toReach(backend, 81);
    await cluster.apply(pod("shop/backend", backendWith("backend")));
    await expect(frontend).not.toReach(backend, 81);
    await cluster.delete(isolate);
  });

  test("a policy that is not valid is refused, with the path of what is wrong", async () => {
    const invalid = {
      ...onlyPartner,
      spec: { endpointSelector: {}, egress: [{ toCIDR: ["10.0.0.0/99"] }] },
    };
    await assert.rejects(cluster.apply(invalid), (error) => {
      assert.ok(error instanceof TestError);
      assert.match(error.message, /spec\.egress\[0\]\.toCIDR\[0\]/);
      return true;
    });
  });

  test("a pod that is not there is no peer", () => {
    assert.throws(
      () => cluster.pod("shop/nobody"),
      /there is no pod shop\/nobody; there is other\/stranger, shop/,
    );
  });
}

function backendWith(app: string): PodDescription {
  return { ...backend, labels: { app } };
}

async function failure(expectation: Promise<void>): Promise<string> {
  try {
    await expectation;
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
  return assert.fail("the expectation held");
}

const isolateRef = { kind: "NetworkPolicy", namespace: "shop", name: "isolate" };
const isolate = {
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name: "isolate", namespace: "shop" },
  spec: {
    podSelector: { matchLabels: { app: "backend" } },
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ podSelector: { matchLabels: { app: "frontend" } } }],
        ports: [{ port: "http", protocol: "TCP" }],
      },
    ],
  },
};

const denyFrontend = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "deny-frontend", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "backend" } },
    ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: "frontend" } }] }],
  },
};

const onlyPartner = {
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name: "only-partner", namespace: "shop" },
  spec: {
    endpointSelector: { matchLabels: { app: "frontend" } },
    egress: [
      {
        toCIDR: ["203.0.113.10/32"],
        toPorts: [{ ports: [{ port: "53", protocol: "UDP" }] }],
      },
    ],
  },
};
