// Run with `node --test`: against the compiler, in milliseconds. With LAB=1, as root: in a lab, with packets.
import { after, test } from "node:test";
import { expect, labCluster, pod, testCluster } from "@tsilium/policy-test";

const makeCluster = process.env["LAB"] ? labCluster : testCluster;
const cluster = await makeCluster({
  folder: import.meta.dirname,
  manifests: ["workloads.yaml", "policies/*.yaml"],
  pods: { "monitoring/scraper": { labels: { app: "scraper" } } },
});
after(() => cluster[Symbol.asyncDispose]());

const frontend = cluster.pod("shop/frontend");
const backend = cluster.pod("shop/backend");
const database = cluster.pod("shop/database");
const scraper = cluster.pod("monitoring/scraper");

test("the shop's traffic flows", async () => {
  await expect(frontend).toReach(backend, "api");
  await expect(backend).toReach(database, "5432/tcp");
  await expect(backend).toReach(cluster.world("203.0.113.10"), 443);
});

test("nobody goes round the backend", async () => {
  await expect(frontend).not.toReach(database, "sql");
  await expect(frontend).not.toReach(backend, 22);
});

test("payments go to the provider's new network only", async () => {
  await expect(backend).not.toReach(cluster.world("203.0.113.77"), 443);
});

test("the database calls nobody, by a rule that no other policy can undo", async () => {
  const rule = {
    kind: "CiliumNetworkPolicy",
    name: "database",
    path: "spec.egressDeny[0]",
  } as const;
  await expect(database.to(backend, "api")).toBeDeniedBy(rule);
  await expect(database.to(cluster.world(), 443)).toBeDeniedBy(rule);
});

test("other namespaces are kept out by the default deny", async () => {
  await expect(scraper.to(frontend, "http")).toBeDeniedBy({
    kind: "NetworkPolicy",
    name: "default-deny",
  });
});

test("a scraper would be let in by a policy that is not there yet", async () => {
  const letScraperIn = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "metrics", namespace: "shop" },
    spec: {
      podSelector: {},
      policyTypes: ["Ingress"],
      ingress: [
        {
          from: [
            { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } },
          ],
          ports: [{ port: 9100 }],
        },
      ],
    },
  };
  await cluster.apply(letScraperIn);
  await expect(scraper).toReach(backend, 9100);
  await cluster.apply(pod("dev/scraper", { labels: { app: "scraper" } }));
  await expect(cluster.pod("dev/scraper")).not.toReach(backend, 9100);
  await cluster.delete(letScraperIn);
  await expect(scraper).not.toReach(backend, 9100);
});
