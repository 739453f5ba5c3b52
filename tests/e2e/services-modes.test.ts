// Parts of kube-proxy's work on their own, beside one that does the rest; and services that are silent instead of refusing.
// What is off is nobody's here, unless a test writes a proxy's rules: clients are refused by the node, or hear nothing.
//
//   node-1: near, client-1      node-2: far, client-2      world: 203.0.113.10
import assert from "node:assert/strict";
import { test } from "node:test";
import { soak } from "./harness.ts";
import { drops } from "./metrics.ts";
import { type Client, type Request, wordOf } from "./services/requests.ts";
import {
  clusterIp,
  loadBalancerIp,
  nodeAddress,
  nodePort,
  ServiceLab,
} from "./services/service-lab.ts";
import { echoPod, echoPort, service, type ServiceFacts } from "./services/service-objects.ts";
import { assertComesTo, everyWay, namespace, shopObjects, textOf } from "./services/shop.ts";

const externalIps = { 4: "192.0.2.30", 6: "2001:db8:2::30" } as const;
const hostPort = 8091;

/** Kinds of addresses, by who asks. */
const doors = [
  "pod: cluster IP",
  "node: cluster IP",
  "pod: node port",
  "node: node port",
  "world: node port",
  "world: load balancer",
  "pod: external IP",
  "world: external IP",
  "world: host port",
] as const;
type DoorName = (typeof doors)[number];

type Mode = {
  readonly name: string;
  readonly set: Readonly<Record<string, string>>;
  /** What works. All else must not. */
  readonly open: readonly DoorName[];
  /** "part: state" as `tsilium status` has it. */
  readonly status: Readonly<Record<string, string>>;
  readonly soakOnly?: true;
};

const off = { "kube-proxy-replacement": "false" } as const;

const modes: readonly Mode[] = [
  {
    name: "nothing of kube-proxy's work",
    set: off,
    open: ["pod: cluster IP"],
    status: {
      KubeProxyReplacement: "disabled",
      "Socket LB": "disabled",
      "Services ClusterIP": "ok",
      "Services NodePort": "disabled",
      "Services externalIPs": "disabled",
      "Services HostPort": "disabled",
    },
  },
  {
    name: "sockets and external IPs",
    set: { ...off, "bpf-lb-sock": "true", "enable-external-ips": "true" },
    open: ["pod: cluster IP", "node: cluster IP", "pod: external IP", "world: external IP"],
    status: {
      KubeProxyReplacement: "disabled",
      "Socket LB": "ok",
      "Services NodePort": "disabled",
      "Services externalIPs": "ok",
      "Services HostPort": "disabled",
    },
  },
  {
    name: "node ports alone",
    set: { ...off, "enable-node-port": "true" },
    open: [
      "pod: cluster IP",
      "pod: node port",
      "node: node port",
      "world: node port",
      "world: load balancer",
    ],
    status: {
      "Socket LB": "disabled",
      "Services NodePort": "ok",
      "Services LoadBalancer": "ok",
      "Services externalIPs": "disabled",
    },
  },
  {
    name: "host ports alone",
    set: { ...off, "enable-host-port": "true" },
    open: ["pod: cluster IP", "world: host port"],
    status: { "Services HostPort": "ok", "Services NodePort": "disabled" },
    soakOnly: true,
  },
  {
    name: "all but sockets of pods",
    set: { "bpf-lb-sock-hostns-only": "true" },
    open: doors,
    status: { KubeProxyReplacement: "ok", "Socket LB": "ok", "Services HostPort": "ok" },
    soakOnly: true,
  },
  {
    name: "all, in XDP",
    set: { "bpf-lb-acceleration": "native" },
    open: doors,
    status: { KubeProxyReplacement: "ok", "Socket LB": "ok", "XDP Acceleration": "ok" },
    soakOnly: true,
  },
];

for (const mode of modes.filter(({ soakOnly }) => soak || !soakOnly))
  test(`with ${mode.name}, that works and no more, and status says so`, async () => {
    await using cluster = await ServiceLab.up({
      purpose: "modes",
      namespaces: [namespace],
      set: mode.set,
    });
    await cluster.apply(...shopObjects(), server(), frontedService());
    const found: string[] = [];
    for (const door of doors) {
      const { client, requests } = await knock(cluster, door);
      const outcomes = await client.ask(requests);
      const words = outcomes.map((outcome) => (wordOf(outcome) === "server" ? "open" : "shut"));
      const mixed = outcomes.map((outcome, at) => `${textOf(requests[at])}: ${wordOf(outcome)}`);
      assert.equal(new Set(words).size, 1, `${door}: ${mixed.join(", ")}`);
      if (words[0] === "open") found.push(door);
    }
    assert.deepEqual(found, mode.open);
    const { parts } = await cluster.lab.json<{ parts: { name: string; state: string }[] }>(
      "--node",
      "node-1",
      "status",
    );
    const states = Object.fromEntries(parts.map(({ name, state }) => [name, state]));
    for (const [part, state] of Object.entries(mode.status))
      assert.equal(states[part], state, `${part}: ${JSON.stringify(parts)}`);
  });

test("beside rules of another proxy each serves what is its own", async () => {
  await using cluster = await ServiceLab.up({
    purpose: "beside",
    namespaces: [namespace],
    set: off,
  });
  await cluster.apply(...shopObjects(), server(), frontedService());
  const facts = await cluster.service(namespace, "server");
  const [pod] = (await cluster.lab.pods(namespace)).filter(
    ({ metadata }) => metadata.name === "server",
  );
  for (const { ip } of pod?.status?.podIPs ?? []) {
    const result = await cluster.lab.nodeExec("node-1", ["sh", "-ec", proxyRules(ip, facts)]);
    assert.equal(result.status, 0, result.stderr);
  }
  const tcp = (requests: Request[]) => requests.filter(({ protocol }) => protocol === "tcp");
  const nodePorts = tcp(everyWay((family) => nodeAddress("node-1", family), nodePort(facts)));
  const clusterIps = tcp(everyWay((family) => clusterIp(facts, family), 80));
  await assertComesTo(cluster.inWorld(), nodePorts, "server");
  await assertComesTo(cluster.onNode("node-1"), clusterIps, "server");
  // These are ours, and pass the rules by.
  await assertComesTo(cluster.inPod(namespace, "client-1"), clusterIps, "server");
  await assertComesTo(cluster.inPod(namespace, "client-2"), clusterIps, "server");
});

/** What kube-proxy does for the service's TCP port with one backend, in its own shape. */
function proxyRules(backend: string, facts: ServiceFacts): string {
  const family = backend.includes(":") ? 6 : 4;
  const to = `${family === 6 ? `[${backend}]` : backend}:${echoPort}`;
  const tables = family === 6 ? "ip6tables" : "iptables";
  return [
    "-N KUBE-SERVICES",
    "-A PREROUTING -j KUBE-SERVICES",
    "-A OUTPUT -j KUBE-SERVICES",
    `-A KUBE-SERVICES -d ${clusterIp(facts, family)} -p tcp --dport 80 -j DNAT --to-destination ${to}`,
    `-A KUBE-SERVICES -m addrtype --dst-type LOCAL -p tcp --dport ${nodePort(facts)} -j DNAT --to-destination ${to}`,
    `-A POSTROUTING -d ${backend} -p tcp --dport ${echoPort} -j MASQUERADE`,
  ]
    .map((rule) => `${tables} -t nat ${rule}`)
    .join("\n");
}

test("with service-no-backend-response drop, a service without a backend is silent", async () => {
  await using cluster = await ServiceLab.up({
    purpose: "silent",
    namespaces: [namespace],
    set: { "service-no-backend-response": "drop", "bpf-lb-sock-hostns-only": "true" },
  });
  const empty = service("empty", namespace, { selector: { app: "nobody" }, type: "LoadBalancer" });
  await cluster.apply(...shopObjects(), empty);
  const facts = await cluster.service(namespace, "empty");
  const quick = (requests: ReturnType<typeof everyWay>) =>
    requests.map((request) => ({ ...request, timeoutMs: 600 }));
  const outside = quick([
    ...everyWay((family) => nodeAddress("node-2", family), nodePort(facts)),
    ...everyWay((family) => loadBalancerIp(facts, family), 80),
  ]);
  const inside = quick(everyWay((family) => clusterIp(facts, family), 80));
  const nodes = ["node-1", "node-2"];
  const before = await drops(cluster.lab, nodes);
  await assertComesTo(cluster.inWorld(), outside, "timeout");
  await assertComesTo(cluster.inPod(namespace, "client-1"), inside, "timeout");
  const after = await drops(cluster.lab, nodes);
  for (const reason of [
    "node-1 Service backend not found egress",
    "node-2 Service backend not found ingress",
  ])
    assert.ok((after[reason] ?? 0) > (before[reason] ?? 0), JSON.stringify(after));
});

/** On node-1, with a host port. */
function server() {
  return echoPod({
    name: "server",
    namespace,
    node: "node-1",
    spec: {
      containers: [
        {
          name: "echo",
          image: "tsilium.io/echo",
          ports: (["TCP", "UDP"] as const).map((protocol) => ({
            name: protocol.toLowerCase(),
            containerPort: echoPort,
            protocol,
            hostPort,
          })),
        },
      ],
    },
  });
}

function frontedService() {
  return service("server", namespace, {
    type: "LoadBalancer",
    externalIPs: Object.values(externalIps),
  });
}

async function knock(cluster: ServiceLab, door: DoorName) {
  const [who, what] = door.split(": ");
  const facts = await cluster.service(namespace, "server");
  const client: Client =
    who === "world"
      ? cluster.inWorld()
      : who === "node"
        ? cluster.onNode("node-2")
        : cluster.inPod(namespace, "client-2");
  const knocks: Readonly<Record<string, () => Request[]>> = {
    "cluster IP": () => everyWay((family) => clusterIp(facts, family), 80),
    "node port": () => everyWay((family) => nodeAddress("node-1", family), nodePort(facts)),
    "load balancer": () => everyWay((family) => loadBalancerIp(facts, family), 80),
    "external IP": () => everyWay((family) => externalIps[family], 80),
    "host port": () => everyWay((family) => nodeAddress("node-1", family), hostPort),
  };
  const requests = knocks[what as string]?.() ?? assert.fail(door);
  return { client, requests: requests.map((request) => ({ ...request, timeoutMs: 1000 })) };
}
