// The definitions that services depend on: what their schemas refuse by themselves, and what is refused beyond them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { KubeError, type KubeObject, type Resource, resources } from "@tsilium/kube";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { problemText } from "../policies/judge.ts";
import { serviceJudges } from "../policies/service-judges.ts";

let api: TestApi;
before(async () => {
  api = await startTestApi();
});
after(() => api[Symbol.asyncDispose]());

const pools: Resource = resources.ciliumLoadBalancerIPPools;
const redirects: Resource = resources.ciliumLocalRedirectPolicies;

let made = 0;
async function store(resource: Resource, spec: unknown): Promise<KubeObject> {
  const metadata = {
    name: `o${made++}`,
    ...(resource.namespaced ? { namespace: "default" } : {}),
  };
  const signal = AbortSignal.timeout(5_000);
  return api.client.create(resource, { metadata, spec } as KubeObject, { signal });
}

const block = (...blocks: unknown[]) => ({ blocks });
const frontend = {
  addressMatcher: { ip: "169.254.169.254", toPorts: [{ port: "80", protocol: "TCP" }] },
};
const backend = {
  localEndpointSelector: { matchLabels: { app: "proxy" } },
  toPorts: [{ port: "8080", protocol: "TCP" }],
};
const redirect = (more: object) => ({
  redirectFrontend: frontend,
  redirectBackend: backend,
  ...more,
});
const addressed = (more: object) =>
  redirect({ redirectFrontend: { addressMatcher: { ...frontend.addressMatcher, ...more } } });
const port = (more: object) => addressed({ toPorts: [{ port: "80", protocol: "TCP", ...more }] });
const matcher = "spec.redirectFrontend.addressMatcher";

/** sentence, kind, spec, fields that are told */
const refused: readonly (readonly [string, Resource, unknown, string])[] = [
  ["a block of nothing", pools, block({}), "spec.blocks[0]"],
  [
    "a CIDR and a start at once",
    pools,
    block({ cidr: "10.0.0.0/8", start: "10.0.0.1" }),
    "spec.blocks[0]",
  ],
  [
    "a CIDR and a stop at once",
    pools,
    block({ cidr: "10.0.0.0/8", stop: "10.0.0.1" }),
    "spec.blocks[0]",
  ],
  ["a stop without a start", pools, block({ stop: "10.0.0.1" }), "spec.blocks[0]"],
  ["a CIDR that is none", pools, block({ cidr: "10.0.0.0/33" }), "spec.blocks[0].cidr"],
  ["a start that is no address", pools, block({ start: "10.0.0.256" }), "spec.blocks[0].start"],
  [
    "a stop that is no address",
    pools,
    block({ start: "fd00::1", stop: "x" }),
    "spec.blocks[0].stop",
  ],
  ["blocks that are no list", pools, { blocks: {} }, "spec.blocks"],
  ["a word for a switch", pools, { disabled: "yes" }, "spec.disabled"],
  ["maybe", pools, { allowFirstLastIPs: "Maybe" }, "spec.allowFirstLastIPs"],
  [
    "an operator there is none",
    pools,
    { serviceSelector: { matchExpressions: [{ key: "a", operator: "Equals" }] } },
    "spec.serviceSelector.matchExpressions[0].operator",
  ],
  ["no spec", pools, undefined, "spec"],
  ["no spec", redirects, undefined, "spec"],
  ["no frontend", redirects, { redirectBackend: backend }, "spec.redirectFrontend"],
  ["no backend", redirects, { redirectFrontend: frontend }, "spec.redirectBackend"],
  ["a frontend of no kind", redirects, redirect({ redirectFrontend: {} }), "spec.redirectFrontend"],
  [
    "a frontend of both kinds",
    redirects,
    redirect({
      redirectFrontend: { ...frontend, serviceMatcher: { serviceName: "a", namespace: "b" } },
    }),
    "spec.redirectFrontend",
  ],
  ["an address that is none", redirects, addressed({ ip: "metadata" }), `${matcher}.ip`],
  ["no port", redirects, addressed({ toPorts: [] }), `${matcher}.toPorts`],
  ["port 0", redirects, port({ port: "0" }), `${matcher}.toPorts[0].port`],
  ["port 65536", redirects, port({ port: "65536" }), `${matcher}.toPorts[0].port`],
  ["a port that is a number", redirects, port({ port: 80 }), `${matcher}.toPorts[0].port`],
  [
    "a protocol there is none",
    redirects,
    port({ protocol: "SCTP" }),
    `${matcher}.toPorts[0].protocol`,
  ],
  [
    "several ports without names",
    redirects,
    addressed({ toPorts: [frontend.addressMatcher.toPorts[0], { port: "81", protocol: "TCP" }] }),
    `${matcher}.toPorts`,
  ],
  [
    "a service without a name",
    redirects,
    redirect({ redirectFrontend: { serviceMatcher: { namespace: "default" } } }),
    "spec.redirectFrontend.serviceMatcher.serviceName",
  ],
  [
    "no pods",
    redirects,
    redirect({ redirectBackend: { toPorts: backend.toPorts } }),
    "spec.redirectBackend.localEndpointSelector",
  ],
];
for (const [sentence, resource, spec, fields] of refused) {
  test(`${resource.kind} refused: ${sentence}`, async () => {
    await assert.rejects(store(resource, spec), (error) => {
      assert.ok(error instanceof KubeError && error.reason === "Invalid", String(error));
      assert.equal(error.details?.causes?.map(({ field }) => field).join(), fields, error.message);
      return true;
    });
  });
}

test("a reason tells what is wanted", async () => {
  await assert.rejects(store(pools, block({ start: "x" })), /must be of format ipv4 or ipv6/);
  await assert.rejects(store(pools, block({})), /must have exactly one of cidr, start/);
});

test("objects that mean something are taken, and have their defaults", async () => {
  const pool = await store(pools, {
    ...block({ cidr: "10.0.10.0/24" }, { cidr: "2004::0/64" }, { start: "20.0.20.100" }),
    serviceSelector: { matchLabels: { color: "red" } },
  });
  assert.equal((pool as { spec?: { disabled?: boolean } }).spec?.disabled, false);
  await store(pools, {});
  await store(redirects, redirect({ skipRedirectFromBackend: true, description: "metadata" }));
  await store(
    redirects,
    redirect({
      redirectFrontend: { serviceMatcher: { serviceName: "kube-dns", namespace: "default" } },
    }),
  );
});

test("pools that are written under the older version are the same objects", async () => {
  const older: Resource = { ...pools, version: "v2alpha1" };
  const { metadata } = await store(older, block({ cidr: "10.1.0.0/24" }));
  const signal = AbortSignal.timeout(5_000);
  const now = await api.client.get(pools, metadata.name ?? "", { signal });
  assert.equal(now.apiVersion, "cilium.io/v2");
  assert.equal(now.metadata.uid, metadata.uid);
});

test("the columns tell what kubectl and the lab's get show", async () => {
  const { metadata } = await store(pools, { ...block({ cidr: "10.2.0.0/24" }), disabled: true });
  const conditions = ["PoolConflict", "IPsAvailable"].map((type) => ({
    type: `cilium.io/${type}`,
    status: "False",
    reason: "r",
    message: "254",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  }));
  const signal = AbortSignal.timeout(5_000);
  await api.client.patchStatus(pools, metadata.name ?? "", { status: { conditions }, signal });
  const text = await api.client.raw(
    `/apis/cilium.io/v2/ciliumloadbalancerippools/${metadata.name}`,
    { accept: "application/json;as=Table;g=meta.k8s.io;v=v1", signal },
  );
  const table = JSON.parse(text) as {
    columnDefinitions: { name: string }[];
    rows: { cells: unknown[] }[];
  };
  assert.deepEqual(
    table.columnDefinitions.map(({ name }) => name),
    ["Name", "Disabled", "Conflicting", "IPs Available", "Age"],
  );
  assert.deepEqual(table.rows[0]?.cells.slice(1, 4), [true, "False", "254"]);
});

/** sentence, kind, object, what is told */
const judged: readonly (readonly [string, string, unknown, readonly string[]])[] = [
  [
    "a run that ends before it starts, and one of two families",
    "CiliumLoadBalancerIPPool",
    {
      spec: block({ start: "10.0.0.9", stop: "10.0.0.1" }, { start: "10.0.0.1", stop: "fd00::1" }),
    },
    [
      "spec.blocks[0]: 10.0.0.1 comes before 10.0.0.9",
      "spec.blocks[1]: 10.0.0.1 and fd00::1 are of two families",
    ],
  ],
  [
    "a selector that selects by nothing",
    "CiliumLoadBalancerIPPool",
    { spec: { serviceSelector: { matchExpressions: [{ key: "a", operator: "In" }] } } },
    ["spec.serviceSelector: matchExpressions[0]: In with 0 values"],
  ],
  [
    "a mistyped field",
    "CiliumLoadBalancerIPPool",
    { spec: { serviceSelectors: {}, blocks: [{ cidr: "10.0.0.0/24" }] } },
    ['spec.serviceSelectors: unknown field, did you mean "serviceSelector"?'],
  ],
  [
    "a mistyped field",
    "CiliumLocalRedirectPolicy",
    { spec: redirect({ skipRedirectFromBackends: true }) },
    ['spec.skipRedirectFromBackends: unknown field, did you mean "skipRedirectFromBackend"?'],
  ],
  ["nothing that is sound", "CiliumLoadBalancerIPPool", { spec: block({ cidr: "fd00::/64" }) }, []],
];
for (const [sentence, kind, object, told] of judged) {
  test(`${kind}: the judge tells ${sentence}`, () => {
    const judge = serviceJudges()[`cilium.io/${kind}`];
    assert.deepEqual(judge?.(object).problems.map(problemText), told);
  });
}

test("judges take anything", () => {
  for (const judge of Object.values(serviceJudges()))
    for (const object of [
      null,
      7,
      [],
      { spec: 7 },
      { spec: { blocks: [null, 7, []] } },
      { spec: { serviceSelector: { matchExpressions: 7, matchLabels: null } } },
    ])
      assert.ok(Array.isArray(judge(object).problems));
});
