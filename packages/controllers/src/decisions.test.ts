// The pure halves of the controllers: placement, rollouts, slices.
import { strict as assert } from "node:assert";
import { test } from "node:test";
import type {
  Deployment,
  EndpointSlice,
  Node,
  Pod,
  PodSpec,
  ReplicaSet,
  Service,
} from "@tsilium/kube";
import { choose, whyNowhere, type World } from "./placement.ts";
import { nextSizes, share } from "./rollout.ts";
import { distribute, groupsOf, maxEndpointsPerSlice, type Zones } from "./slices.ts";
import { textOf } from "./texts.ts";

const ready = { conditions: [{ type: "Ready", status: "True" }] } as const;

function node(name: string, more: Partial<Node> & { labels?: Record<string, string> } = {}): Node {
  return { metadata: { name, labels: { host: name, ...more.labels } }, status: ready, ...more };
}

function pod(name: string, spec: Partial<PodSpec> = {}, labels: Record<string, string> = {}): Pod {
  return {
    metadata: { name, namespace: "default", uid: name, labels },
    spec: { containers: [{ name: "c" }], ...spec },
  };
}

function world(
  nodes: readonly Node[],
  bound: Readonly<Record<string, readonly Pod[]>> = {},
): World {
  return { nodes, occupancy: new Map(Object.entries(bound)) };
}

const three = [node("n1"), node("n2"), node("n3", { labels: { disk: "ssd" } })];
const term = (key: string) => ({
  labelSelector: { matchLabels: { app: key } },
  topologyKey: "host",
});

/** sentence, pod, world, node chosen (undefined: none) */
const placements: readonly (readonly [string, Pod, World, string | undefined])[] = [
  ["an empty cluster's first node by name", pod("p"), world(three), "n1"],
  [
    "the node with the fewest pods",
    pod("p"),
    world(three, { n1: [pod("a")], n2: [pod("b")] }),
    "n3",
  ],
  ["the node its selector names", pod("p", { nodeSelector: { disk: "ssd" } }), world(three), "n3"],
  [
    "no node when none matches",
    pod("p", { nodeSelector: { disk: "tape" } }),
    world(three),
    undefined,
  ],
  ["no node that is not ready", pod("p"), world([{ ...node("n1"), status: {} }]), undefined],
  [
    "no node that is cordoned",
    pod("p"),
    world([node("n1", { spec: { unschedulable: true } })]),
    undefined,
  ],
  [
    "no node with a taint it does not tolerate",
    pod("p"),
    world([node("n1", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } })]),
    undefined,
  ],
  [
    "a node with a taint it tolerates",
    pod("p", { tolerations: [{ key: "k", operator: "Exists" }] }),
    world([node("n1", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } })]),
    "n1",
  ],
  [
    "a node where its host port is free",
    pod("p", { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 80 }] }] }),
    world(three, {
      n1: [pod("a", { containers: [{ name: "c", ports: [{ containerPort: 1, hostPort: 80 }] }] })],
    }),
    "n2",
  ],
  [
    "a node without those it shuns",
    pod("p", {
      affinity: {
        podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("web")] },
      },
    }),
    world(three, { n1: [pod("a", {}, { app: "web" })] }),
    "n2",
  ],
  [
    "the node of those it wants to be with",
    pod("p", {
      affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("web")] } },
    }),
    world(three, { n2: [pod("a", {}, { app: "web" })] }),
    "n2",
  ],
  [
    "any node when it is the first of its kind",
    pod(
      "p",
      {
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term("me")] } },
      },
      { app: "me" },
    ),
    world(three),
    "n1",
  ],
];
for (const [sentence, candidate, where, expected] of placements) {
  test(`a pod is placed on ${sentence}`, () => {
    assert.equal(choose(candidate, where)?.metadata.name, expected);
  });
}

test("a pod that fits nowhere is told why, reasons counted", () => {
  const nodes = [
    node("n1", { spec: { unschedulable: true } }),
    { ...node("n2"), status: {} },
    node("n3"),
  ];
  assert.equal(
    whyNowhere(pod("p", { nodeSelector: { disk: "ssd" } }), world(nodes)),
    "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were not ready, 1 node(s) were unschedulable.",
  );
});

function set(name: string, size: number, available = size): ReplicaSet {
  return {
    metadata: { name },
    spec: { replicas: size, selector: {}, template: { spec: { containers: [] } } },
    status: { replicas: size, availableReplicas: available },
  };
}

function deployment(replicas: number, strategy: Deployment["spec"]["strategy"] = {}): Deployment {
  return {
    metadata: { name: "d" },
    spec: { replicas, selector: {}, template: { spec: { containers: [] } }, strategy },
  };
}

test("a share is a number, or a percentage rounded towards progress", () => {
  assert.equal(share(3, 10, "up"), 3);
  assert.equal(share("25%", 10, "up"), 3);
  assert.equal(share("25%", 10, "down"), 2);
  assert.equal(share(undefined, 4, "down"), 1);
});

/** sentence, replicas and strategy, [current size, available], [old size, available], expected [current, old] */
const steps: readonly (readonly [
  string,
  Deployment,
  [number, number],
  [number, number],
  [number, number],
])[] = [
  ["a rollout starts with its surge", deployment(4), [0, 0], [4, 4], [1, 3]],
  ["it waits for what is not available yet", deployment(4), [1, 0], [3, 3], [2, 3]],
  ["it goes on as pods become available", deployment(4), [2, 2], [3, 3], [2, 1]],
  ["broken old pods go first", deployment(4), [0, 0], [4, 1], [1, 3]],
  ["it ends with everything in the new set", deployment(4), [4, 4], [1, 1], [4, 0]],
  [
    "without surge it takes away first",
    deployment(2, { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }),
    [0, 0],
    [2, 2],
    [0, 1],
  ],
  [
    "without unavailability it adds first",
    deployment(2, { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } }),
    [0, 0],
    [2, 2],
    [1, 2],
  ],
];
for (const [sentence, wanted, [size, available], [oldSize, oldAvailable], expected] of steps) {
  test(`rolling: ${sentence}`, () => {
    const current = set("new", size, available);
    const old = set("old", oldSize, oldAvailable);
    const sizes = nextSizes(wanted, current, [old]);
    assert.deepEqual([sizes.get(current) ?? size, sizes.get(old) ?? oldSize], expected);
  });
}

test("Recreate ends all old pods before the first new one", () => {
  const [current, old] = [set("new", 0), set("old", 2)];
  const recreate = deployment(2, { type: "Recreate" });
  assert.equal(nextSizes(recreate, current, [old]).get(current), undefined);
  assert.equal(nextSizes(recreate, current, [old]).get(old), 0);
  assert.equal(nextSizes(recreate, current, [set("old", 0)]).get(current), 2);
});

test("a rolling update keeps its promises at every step, whatever the sizes", () => {
  for (const replicas of [1, 2, 3, 7, 10]) {
    for (const [maxSurge, maxUnavailable] of [
      ["25%", "25%"],
      [1, 0],
      [0, 1],
      [0, 0],
      ["100%", "50%"],
    ] as const) {
      const wanted = deployment(replicas, { rollingUpdate: { maxSurge, maxUnavailable } });
      const surge = share(maxSurge, replicas, "up");
      const floor =
        replicas - Math.max(share(maxUnavailable, replicas, "down"), surge === 0 ? 1 : 0);
      let [current, old] = [set("new", 0), set("old", replicas)];
      let rounds = 0;
      for (; old.spec.replicas !== 0 || current.spec.replicas !== replicas; rounds++) {
        assert.ok(rounds < 100, "the rollout does not end");
        const sizes = nextSizes(wanted, current, [old]);
        const size = sizes.get(current) ?? current.spec.replicas ?? 0;
        const oldSize = sizes.get(old) ?? old.spec.replicas ?? 0;
        assert.ok(size + oldSize <= replicas + surge, "more than the surge allows");
        const available = Math.min(size, current.status?.availableReplicas ?? 0) + oldSize;
        assert.ok(available >= floor, "fewer than may be missing");
        // What was there becomes available before the next step.
        current = set("new", size, size);
        old = set("old", oldSize);
      }
    }
  }
});

const service = (spec: Partial<Service["spec"]>): Service => ({
  metadata: { name: "s", namespace: "default" },
  spec: { ipFamilies: ["IPv4"], ports: [{ port: 80, targetPort: "http" }], ...spec },
});

function backend(name: string, index: number, port: number): Pod {
  return {
    ...pod(name, {
      nodeName: "n1",
      containers: [{ name: "c", ports: [{ name: "http", containerPort: port }] }],
    }),
    status: {
      phase: "Running",
      podIPs: [{ ip: `10.0.0.${index}` }, { ip: `fd00::${index}` }],
      ...ready,
    },
  };
}

test("pods that resolve a named port differently are in different groups", () => {
  const groups = groupsOf(service({}), [
    backend("a", 1, 80),
    backend("b", 2, 8080),
    backend("c", 3, 80),
  ]);
  assert.deepEqual(
    groups.map(
      (group) =>
        `${group.ports[0]?.port}: ${group.endpoints.map((entry) => entry.addresses[0]).join()}`,
    ),
    ["80: 10.0.0.1,10.0.0.3", "8080: 10.0.0.2"],
  );
});

test("each family has its addresses, and a group even when it has none", () => {
  const dual = service({ ipFamilies: ["IPv6", "IPv4"] });
  const addresses = groupsOf(dual, [backend("a", 1, 80)]).map(
    (group) => group.endpoints[0]?.addresses[0],
  );
  assert.deepEqual(addresses, ["fd00::1", "10.0.0.1"]);
  assert.deepEqual(
    groupsOf(dual, []).map((group) => `${group.family} ${group.endpoints.length}`),
    ["IPv6 0", "IPv4 0"],
  );
});

test("a terminating pod serves but is not ready; one that is over is no endpoint", () => {
  const going = backend("a", 1, 80);
  const terminating = {
    ...going,
    metadata: { ...going.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" },
  };
  const over: Pod = {
    ...backend("b", 2, 80),
    status: { ...backend("b", 2, 80).status, phase: "Succeeded" },
  };
  const [group] = groupsOf(service({}), [terminating, over]);
  assert.deepEqual(
    group?.endpoints.map((entry) => entry.conditions),
    [{ ready: false, serving: true, terminating: true }],
  );
});

test("endpoints stay in their slices as others come and go", () => {
  const many = Array.from({ length: maxEndpointsPerSlice + 20 }, (_, index) =>
    backend(`p${index}`, index, 80),
  );
  const [group] = groupsOf(service({}), many);
  assert.ok(group);
  const first = distribute(group, []);
  assert.deepEqual(
    first.map(({ endpoints }) => endpoints.length),
    [100, 20],
  );
  const slices = first.map(({ endpoints }, index): EndpointSlice => ({
    metadata: { name: `s${index}` },
    addressType: "IPv4",
    endpoints,
  }));
  const [fewer] = groupsOf(service({}), [...many.slice(1), backend("new", 200, 80)]);
  assert.ok(fewer);
  const second = distribute(fewer, slices);
  const addresses = (index: number) =>
    second[index]?.endpoints.map((entry) => entry.addresses[0]) ?? [];
  assert.equal(addresses(0).length, 100);
  assert.ok(addresses(0).includes("10.0.0.200"), "the new one takes the free place");
  assert.deepEqual(second[1]?.endpoints, slices[1]?.endpoints);
});

const zones: Zones = { zoneOf: (name) => (name === "n1" ? "z1" : undefined), shares: undefined };
const hintsOf = (spec: Partial<Service["spec"]>, pods: readonly Pod[], where: Zones = zones) =>
  groupsOf(service(spec), pods, where).flatMap(({ endpoints }) =>
    endpoints.map(({ zone, hints }) => {
      const of = (list: readonly { readonly name: string }[] = []) => list.map(({ name }) => name);
      return `${zone ?? "-"} zones(${of(hints?.forZones).join()}) nodes(${of(hints?.forNodes).join()})`;
    }),
  );

test("endpoints tell their zone, and whom they are for, as the service wants traffic distributed", () => {
  const away: Pod = {
    ...backend("b", 2, 80),
    spec: { ...backend("b", 2, 80).spec, nodeName: "n2" },
  };
  const down: Pod = {
    ...backend("c", 3, 80),
    status: { ...backend("c", 3, 80).status, conditions: [] },
  };
  const pods = [backend("a", 1, 80), away, down];
  assert.deepEqual(hintsOf({}, pods), [
    "z1 zones() nodes()",
    "- zones() nodes()",
    "z1 zones() nodes()",
  ]);
  for (const trafficDistribution of ["PreferClose", "PreferSameZone"])
    assert.deepEqual(hintsOf({ trafficDistribution }, pods), [
      "z1 zones(z1) nodes()",
      "- zones() nodes()",
      "z1 zones() nodes()",
    ]);
  assert.deepEqual(hintsOf({ trafficDistribution: "PreferSameNode" }, pods), [
    "z1 zones(z1) nodes(n1)",
    "- zones() nodes(n2)",
    "z1 zones() nodes()",
  ]);
});

test("the annotation shares endpoints out over zones, and wins over the field", () => {
  const annotated: Service = {
    ...service({ trafficDistribution: "PreferSameNode" }),
    metadata: {
      name: "s",
      namespace: "default",
      annotations: { "service.kubernetes.io/topology-mode": "Auto" },
    },
  };
  const pods = [1, 2, 3, 4].map((index) => backend(`p${index}`, index, 80));
  const shares = new Map([
    ["z1", 0.5],
    ["z2", 0.5],
  ]);
  const hints = groupsOf(annotated, pods, { zoneOf: () => "z1", shares }).flatMap(({ endpoints }) =>
    endpoints.map((endpoint) => endpoint.hints?.forZones?.[0]?.name),
  );
  assert.deepEqual(hints, ["z1", "z1", "z2", "z2"]);
});

test("pods that are not ready are listed as such, and published all the same where that is asked for", () => {
  const ready = backend("a", 1, 80);
  const down: Pod = { ...ready, status: { ...ready.status, conditions: [] } };
  const leaving: Pod = {
    ...down,
    metadata: { ...ready.metadata, uid: "b", deletionTimestamp: "2026-01-01T00:00:00Z" },
  };
  const conditionsOf = (spec: Partial<Service["spec"]>) =>
    groupsOf(service(spec), [down, leaving])[0]?.endpoints.map(({ conditions }) => conditions);
  assert.deepEqual(conditionsOf({}), [
    { ready: false, serving: false, terminating: false },
    { ready: false, serving: false, terminating: true },
  ]);
  assert.deepEqual(conditionsOf({ publishNotReadyAddresses: true }), [
    { ready: true, serving: false, terminating: false },
    { ready: true, serving: false, terminating: true },
  ]);
});

test("pods in their node's network may have one address, and are two endpoints", () => {
  const [group] = groupsOf(service({}), [backend("a", 1, 80), backend("b", 1, 80)]);
  assert.ok(group);
  const [filled] = distribute(group, []);
  assert.deepEqual(
    filled?.endpoints.map(({ targetRef }) => targetRef?.name),
    ["a", "b"],
  );
});

test("a pod names itself by its hostname where its subdomain is the service", () => {
  const named = (subdomain: string): Pod => ({
    ...backend("a", 1, 80),
    spec: { ...backend("a", 1, 80).spec, hostname: "zero", subdomain },
  });
  const hostname = (pod: Pod) => groupsOf(service({}), [pod])[0]?.endpoints[0]?.hostname;
  assert.equal(hostname(named("s")), "zero");
  assert.equal(hostname(named("other")), undefined);
});

test("of ten thousand endpoints one that changes is one slice that changes", () => {
  const many = Array.from({ length: 10_000 }, (_, index): Pod => ({
    ...backend(`p${index}`, 0, 80),
    status: {
      phase: "Running",
      podIPs: [{ ip: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` }],
      ...ready,
    },
  }));
  const web = service({});
  const slicesFor = (existing: readonly EndpointSlice[]) => {
    const [group] = groupsOf(web, many);
    assert.ok(group);
    return distribute(group, existing);
  };
  const first = slicesFor([]);
  assert.equal(first.length, 100);
  const slices = first.map(({ endpoints }, index): EndpointSlice => ({
    metadata: { name: `s${index}` },
    addressType: "IPv4",
    // As they come back from the API server.
    endpoints: structuredClone(endpoints),
  }));
  const changedBy = (change: () => void) => {
    change();
    const next = slicesFor(slices);
    const changed = next.filter(
      ({ slice, endpoints }) =>
        slice?.endpoints?.length !== endpoints.length ||
        slice.endpoints.some(
          (endpoint, at) => textOf(endpoint) !== textOf(endpoints[at] as object),
        ),
    );
    return changed.map(({ slice }) => slice?.metadata.name).join();
  };
  assert.equal(
    changedBy(() => undefined),
    "",
  );
  const flap = (index: number) => {
    const pod = many[index] as Pod;
    many[index] = { ...pod, status: { ...pod.status, conditions: [] } };
  };
  assert.equal(
    changedBy(() => flap(4_242)),
    "s42",
  );
  assert.equal(
    changedBy(() => many.splice(9_999, 1)),
    "s42,s99",
  );
});
