import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFlow, type Flow, type FlowEndpoint, unknownEndpoint } from "@tsilium/hubble/model.ts";
import { MapAggregate } from "./aggregate.ts";
import { MapNames } from "./node-of.ts";

const pod = (namespace: string, workload: string, podName = `${workload}-1`): FlowEndpoint => ({
  ...unknownEndpoint,
  identity: 5000,
  namespace,
  podName,
  workloads: [{ name: workload, kind: "Deployment" }],
});
const reserved = (identity: number, ...labels: string[]): FlowEndpoint => ({
  ...unknownEndpoint,
  identity,
  labels,
});
const tcp = (sourcePort: number, destinationPort: number) =>
  ({ kind: "tcp", sourcePort, destinationPort, flags: undefined }) as const;
const flow = (more: Partial<Flow>): Flow => ({
  ...emptyFlow,
  timeNs: 1_000_500_000_000n,
  verdict: 1,
  source: pod("shop", "web"),
  destination: pod("shop", "db"),
  l4: tcp(40_000, 5432),
  ...more,
});

const ends: readonly (readonly [string, Partial<Flow>, string | undefined])[] = [
  ["a request", {}, "workload/shop/Deployment/web > workload/shop/Deployment/db TCP 5432"],
  [
    "its reply, turned round",
    {
      source: pod("shop", "db"),
      destination: pod("shop", "web"),
      l4: tcp(5432, 40_000),
      isReply: true,
    },
    "workload/shop/Deployment/web > workload/shop/Deployment/db TCP 5432",
  ],
  [
    "a pod without a workload",
    { source: { ...pod("shop", "web", "lonely"), workloads: [] } },
    "pod/shop//lonely > workload/shop/Deployment/db TCP 5432",
  ],
  ["the world", { source: reserved(9) }, "reserved///world > workload/shop/Deployment/db TCP 5432"],
  [
    "a name outside",
    { destination: reserved(2), destinationNames: ["api.example."] },
    "workload/shop/Deployment/web > fqdn///api.example TCP 5432",
  ],
  [
    "a prefix that a policy tells apart",
    { destination: reserved(16_777_217, "cidr:198.51.100.0/24", "reserved:world") },
    "workload/shop/Deployment/web > cidr///198.51.100.0%2F24 TCP 5432",
  ],
  [
    "the API server, which is a host too",
    { destination: reserved(7, "reserved:kube-apiserver", "reserved:remote-node") },
    "workload/shop/Deployment/web > reserved///kube-apiserver TCP 5432",
  ],
  [
    "another node",
    { source: reserved(6) },
    "reserved///remote-node > workload/shop/Deployment/db TCP 5432",
  ],
  [
    "a socket's view of a service",
    {
      destination: unknownEndpoint,
      destinationService: { name: "db", namespace: "shop" },
      verdict: 6,
    },
    undefined,
  ],
  [
    "a service without backends",
    {
      destination: unknownEndpoint,
      destinationService: { name: "db", namespace: "shop" },
      verdict: 2,
      dropReason: 158,
    },
    "workload/shop/Deployment/web > service/shop//db TCP 5432",
  ],
  [
    "nobody knows who",
    { source: unknownEndpoint },
    "unknown///unknown > workload/shop/Deployment/db TCP 5432",
  ],
  [
    "ping",
    { l4: { kind: "icmp4", type: 8, code: 0 } },
    "workload/shop/Deployment/web > workload/shop/Deployment/db ICMP 0",
  ],
];
for (const [what, more, expected] of ends) {
  test(`${what} is drawn as ${expected}`, () => {
    const found = new MapNames().ends(flow(more));
    assert.equal(
      found && `${found.source.key} > ${found.destination.key} ${found.protocol} ${found.port}`,
      expected,
    );
  });
}

test("flows are counted by connection, verdict and second; both directions are one connection", () => {
  const aggregate = new MapAggregate(1_000, new MapNames());
  aggregate.add(flow({}));
  aggregate.add(
    flow({
      isReply: true,
      source: pod("shop", "db"),
      destination: pod("shop", "web"),
      l4: tcp(5432, 1),
    }),
  );
  aggregate.add(flow({ verdict: 2, dropReason: 133 }));
  aggregate.add(flow({ verdict: 4, timeNs: 1_001_000_000_000n }));
  const news = aggregate.takeNews();
  assert.deepEqual(
    news?.nodes?.map(({ key }) => key),
    ["workload/shop/Deployment/web", "workload/shop/Deployment/db"],
  );
  assert.deepEqual(news?.edges, [{ source: 0, destination: 1, protocol: "TCP", port: 5432 }]);
  assert.deepEqual(news?.buckets, [
    { startMs: 1_000_000, edges: [0, 2, 1, 0, 0] },
    { startMs: 1_001_000, edges: [0, 0, 0, 1, 0] },
  ]);
  assert.equal(aggregate.takeNews(), undefined);
});

test("what was told once is not told again, counts are", () => {
  const aggregate = new MapAggregate(1_000, new MapNames());
  aggregate.add(flow({ destinationService: { name: "db", namespace: "shop" } }));
  assert.deepEqual(aggregate.takeNews()?.services, [[1, "shop/db"]]);
  aggregate.add(flow({ destinationService: { name: "db", namespace: "shop" } }));
  assert.deepEqual(aggregate.takeNews(), {
    buckets: [{ startMs: 1_000_000, edges: [0, 1, 0, 0, 0] }],
  });
});

test("a scan of all ports is seventeen connections, not 65535", () => {
  const aggregate = new MapAggregate(1_000, new MapNames());
  for (let port = 1; port < 65_536; port++) aggregate.add(flow({ l4: tcp(40_000, port) }));
  const news = aggregate.takeNews();
  assert.equal(news?.edges?.length, 17);
  assert.equal(news?.edges?.at(-1)?.port, 0);
  const counted = news?.buckets?.[0]?.edges.filter((_, at) => at % 5 === 1) ?? [];
  assert.equal(
    counted.reduce((a, b) => a + b, 0),
    65_535,
  );
});

test("very many names outside are the world, very many pods are left out and counted", () => {
  const aggregate = new MapAggregate(1_000, new MapNames());
  for (let at = 0; at < 100; at++)
    aggregate.add(flow({ destination: reserved(2), destinationNames: [`host-${at}.example.`] }));
  assert.equal(aggregate.takeNews()?.nodes?.filter(({ kind }) => kind === "fqdn").length, 60);
  for (let at = 0; at < 6_000; at++) aggregate.add(flow({ source: pod("shop", `web-${at}`) }));
  const news = aggregate.takeNews();
  assert.ok((news?.nodes?.length ?? 0) < 5_000);
  assert.ok((news?.skipped ?? 0) > 1_000);
});

test("a pod that another node's agent told without its workload is its workload as soon as somebody knows", () => {
  const names = new MapNames();
  const aggregate = new MapAggregate(1_000, names);
  const remote = { ...pod("shop", "web"), workloads: [] };
  aggregate.add(flow({ source: remote }));
  assert.deepEqual(
    aggregate.takeNews()?.nodes?.map(({ key }) => key),
    ["pod/shop//web-1", "workload/shop/Deployment/db"],
  );
  aggregate.add(flow({}));
  const news = aggregate.takeNews();
  assert.deepEqual(news?.same, [[0, 2]]);
  assert.equal(names.ends(flow({ source: remote }))?.source.key, "workload/shop/Deployment/web");
  aggregate.add(flow({ source: remote }));
  assert.equal(aggregate.takeNews()?.nodes, undefined);
});
