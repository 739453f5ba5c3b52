// Random worlds in a small universe, where names, addresses and ports meet all the time, and random steps from one to the next.
import type { CiliumLocalRedirectPolicy, EndpointSlice, Pod, Service } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import type { Random } from "@tsilium/testkit";
import { endpoint, facts, pod, service, settings, slice } from "./build.ts";
import type { World } from "./world.ts";

const namespaces = ["shop", "evil"];
const names = ["web", "db", "dns"];
const clusterIps = ["10.96.0.1", "10.96.0.2", "10.96.0.3", "10.96.0.4"];
const clusterIps6 = ["fd00:10:96::1", "fd00:10:96::2"];
/** Some are somebody's already. */
const outside = [
  "203.0.113.1",
  "203.0.113.2",
  "172.18.0.2",
  "172.18.0.3",
  "10.96.0.1",
  "10.244.3.3",
  "2001:db8::1",
  "127.0.0.1",
];
const pods4 = [1, 2, 3].flatMap((node) => [1, 2].map((last) => `10.244.${node}.${last}`));
const pods6 = ["fd00:10:244:1::1", "fd00:10:244:2::1"];
const portSets = [
  [{ port: 80 }],
  [
    { name: "a", port: 80 },
    { name: "b", port: 53, protocol: "UDP" },
  ],
  [{ name: "b", port: 53, protocol: "UDP", nodePort: 30_053 }],
  [{ name: "s", port: 7777, protocol: "SCTP", nodePort: 30_777 }],
  [{ port: 80, nodePort: 30_080 }],
  [{ port: 80, nodePort: 30_081 }],
] as const;
const slicePorts = [
  [{ name: "", port: 8080 }],
  [
    { name: "a", port: 8080 },
    { name: "b", port: 53, protocol: "UDP" },
  ],
  [
    { name: "s", port: 7777, protocol: "SCTP" },
    { name: "", port: 30_080 },
  ],
  [{ name: "a", port: 80 }, { name: "" }],
] as const;

export function randomWorld(random: Random): World {
  const world = {
    settings: randomSettings(random),
    facts: {
      ...facts,
      name: random.pick(["node-1", "node-1", "node-2"]),
      zone: random.chance(0.8) ? "a" : undefined,
    },
    services: new Map(),
    slices: new Map(),
    pods: new Map(),
    policies: new Map(),
  };
  return Array.from({ length: 25 }).reduce<World>((before) => randomStep(before, random), world);
}

/** One object more, less or different. */
export function randomStep(world: World, random: Random): World {
  const kind = random.pick([
    "services",
    "services",
    "slices",
    "slices",
    "slices",
    "pods",
    "policies",
  ] as const);
  const made = make(kind, random);
  const objects = new Map<string, object>(world[kind]);
  if (random.chance(0.3)) objects.delete(random.pick([...objects.keys(), ""]));
  else objects.set(`${made.metadata.namespace}/${made.metadata.name}`, made);
  return { ...world, [kind]: objects };
}

function make(kind: "services" | "slices" | "pods" | "policies", random: Random) {
  switch (kind) {
    case "services":
      return randomService(random);
    case "slices":
      return randomSlice(random);
    case "pods":
      return randomPod(random);
    case "policies":
      return randomPolicy(random);
  }
}

function randomSettings(random: Random): World["settings"] {
  return {
    ...settings,
    enableIpv6: random.chance(0.8),
    nodePort: random.chance(0.8),
    externalIps: random.chance(0.8),
    hostPort: random.chance(0.8),
    mode: random.pick(["snat", "dsr", "hybrid"]),
    algorithm: random.pick(["random", "maglev"]),
    externalClusterIp: random.chance(0.3),
    sourceRangeAllTypes: random.chance(0.3),
    noBackendResponse: random.pick(["reject", "drop"]),
    serviceTopology: random.chance(0.7),
    localRedirectPolicy: random.chance(0.8),
    nodePortAddresses: random.chance(0.2) ? [Prefix.parse("172.18.0.0/16")] : [],
  };
}

function randomService(random: Random): Service {
  const isDual = random.chance(0.3);
  const clusterIPs = [random.pick(clusterIps), ...(isDual ? [random.pick(clusterIps6)] : [])];
  const type = random.pick(["ClusterIP", "NodePort", "LoadBalancer"] as const);
  return service({
    name: random.pick(names),
    namespace: random.pick(namespaces),
    age: 1000 + random.below(3),
    spec: {
      type,
      clusterIPs,
      ipFamilies: isDual ? ["IPv4", "IPv6"] : ["IPv4"],
      ports: random.pick(portSets) as Service["spec"]["ports"] & object,
      ...(random.chance(0.1) ? { clusterIP: "None", clusterIPs: ["None"] } : {}),
      ...(random.chance(0.4) ? { externalIPs: some(outside, random) } : {}),
      ...(random.chance(0.4) ? { externalTrafficPolicy: "Local" } : {}),
      ...(random.chance(0.3) ? { internalTrafficPolicy: "Local" } : {}),
      ...(random.chance(0.3) ? { sessionAffinity: "ClientIP" } : {}),
      ...(random.chance(0.3)
        ? { loadBalancerSourceRanges: ["192.0.2.0/24", "198.51.100.0/24"] }
        : {}),
    },
    ...(type === "LoadBalancer" ? { ingress: some(outside, random).map((ip) => ({ ip })) } : {}),
  });
}

function randomSlice(random: Random): EndpointSlice {
  const list = random.chance(0.7) ? pods4 : pods6;
  const endpoints = some(list, random).map((address) =>
    endpoint(address, {
      conditions: random.pick([
        {},
        { ready: true },
        { ready: false },
        { ready: false, serving: true, terminating: true },
        { ready: false, serving: false, terminating: true },
        { ready: false, terminating: true },
      ]),
      ...(random.chance(0.6)
        ? {
            hints: {
              forZones: [{ name: random.pick(["a", "b"]) }],
              ...(random.chance(0.5)
                ? { forNodes: [{ name: random.pick(["node-1", "node-2"]) }] }
                : {}),
            },
          }
        : {}),
    }),
  );
  const of = random.pick(names);
  return slice(endpoints, {
    name: `${of}-${random.below(3)}`,
    service: of,
    namespace: random.pick(namespaces),
    addressType: list === pods4 ? "IPv4" : "IPv6",
    ports: random.pick(slicePorts) as EndpointSlice["ports"] & object,
  });
}

function randomPod(random: Random): Pod {
  const last = 1 + random.below(2);
  return pod({
    name: `pod-${random.below(4)}`,
    namespace: random.pick(namespaces),
    age: 1000 + random.below(3),
    labels: { app: random.pick(["cache", "other"]) },
    phase: random.pick(["Running", "Running", "Running", "Succeeded"]),
    ready: random.chance(0.8),
    deleted: random.chance(0.2),
    ips: random.chance(0.3) ? [`10.244.1.${last}`, `fd00:10:244:1::${last}`] : [`10.244.1.${last}`],
    ports: [
      { name: "dns", containerPort: 53, protocol: "UDP" },
      {
        containerPort: 8080,
        ...(random.chance(0.5) ? { hostPort: random.pick([30_080, 8080, 80]) } : {}),
        ...(random.chance(0.2) ? { hostIP: random.pick(["172.18.0.2", "172.18.0.3"]) } : {}),
      },
    ],
  });
}

function randomPolicy(random: Random): CiliumLocalRedirectPolicy {
  const namespace = random.pick(namespaces);
  const toPorts = [{ name: "b", port: "53", protocol: "UDP" }];
  const redirectFrontend = random.chance(0.5)
    ? { addressMatcher: { ip: random.pick([...outside, "169.254.20.10"]), toPorts } }
    : {
        serviceMatcher: {
          serviceName: random.pick(names),
          namespace: random.pick(namespaces),
          ...(random.chance(0.5) ? { toPorts } : {}),
        },
      };
  return {
    metadata: {
      name: `local-${random.below(3)}`,
      namespace,
      creationTimestamp: new Date((1000 + random.below(3)) * 1000).toISOString(),
    },
    spec: {
      redirectFrontend,
      redirectBackend: {
        localEndpointSelector: { matchLabels: { app: "cache" } },
        toPorts: [{ port: "53", protocol: "UDP" }],
      },
      skipRedirectFromBackend: random.chance(0.5),
    },
  } as CiliumLocalRedirectPolicy;
}

function some<T>(list: readonly T[], random: Random): T[] {
  return list.filter(() => random.chance(0.4));
}
