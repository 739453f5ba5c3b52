import assert from "node:assert/strict";
import { test } from "node:test";
import type { Flow } from "@tsilium/hubble/model.ts";
import { Address, Labels } from "@tsilium/net";
import { PolicyCompiler } from "../compile/compiler.ts";
import { parsePolicy } from "../parse/parse.ts";
import { SeenConnections } from "../replay/seen-connection.ts";
import type { PolicyManifest } from "./manifest.ts";
import { numbersOf, portOf } from "./port.ts";
import { type ProofSettings, prove } from "../replay/prove.ts";
import { suggest, type SuggestOptions } from "./suggest.ts";
import {
  denied,
  entityEndpoint,
  forwarded,
  isPod,
  packet,
  podEndpoint,
  randomCluster,
  randomNumbers,
  type Someone,
  type Talk,
  tcp,
  udp,
} from "./testing/seen.ts";
import { writeYaml } from "./yaml.ts";

const settings: ProofSettings = {
  enablePolicy: "default",
  allowLocalhost: true,
  cidrMatchMode: [],
  audit: false,
  denyResponse: "drop",
  clusterName: "default",
};

const options: SuggestOptions = {
  namespaces: ["shop"],
  kind: "CiliumNetworkPolicy",
  cidr: false,
  includeDrops: false,
  clusterName: "default",
};

function seen(flows: readonly Flow[]) {
  const connections = new SeenConnections();
  for (const flow of flows) connections.add(flow);
  return connections.connections();
}

function yamlOf(flows: readonly Flow[], more: Partial<SuggestOptions> = {}): string {
  const connections = seen(flows);
  const suggestion = suggest(connections, { ...options, ...more });
  const proof = prove(suggestion.policies, suggestion.connections, {
    settings,
    includeDrops: more.includeDrops ?? false,
  });
  assert.deepEqual([proof.invalid, proof.missing, proof.extra], [[], [], []]);
  return writeYaml(suggestion.policies);
}

const frontend: Someone = {
  group: "frontend",
  endpoint: podEndpoint("shop", { app: "frontend", "pod-template-hash": "5d8" }, "frontend-1"),
  address: "10.244.1.4",
};
const web: Someone = {
  group: "web",
  endpoint: podEndpoint("shop", { app: "web", "controller-revision-hash": "1" }, "web-0"),
  address: "10.244.2.5",
};
const dns: Someone = {
  group: "dns",
  endpoint: podEndpoint("kube-system", { "k8s-app": "kube-dns" }, "coredns-1"),
  address: "10.244.1.9",
};
const client: Someone = {
  group: "world",
  endpoint: entityEndpoint("world", 2),
  address: "203.0.113.7",
};

test("who was seen gets a policy with exactly what was seen", () => {
  const yaml = yamlOf([
    ...forwarded({ from: client, to: frontend, port: tcp(443) }),
    ...forwarded({ from: frontend, to: web, port: tcp(8080) }),
    ...forwarded({ from: frontend, to: dns, port: udp(53) }),
    ...denied({ from: web, to: frontend, port: tcp(22) }, "egress"),
  ]);
  assert.equal(
    yaml,
    `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: frontend
  ingress:
    - fromEntities:
        - world
      toPorts:
        - ports:
            - port: '443'
              protocol: TCP
  egress:
    - toEndpoints:
        - matchLabels:
            k8s-app: kube-dns
            k8s:io.kubernetes.pod.namespace: kube-system
      toPorts:
        - ports:
            - port: '53'
              protocol: TCP
            - port: '53'
              protocol: UDP
    - toEndpoints:
        - matchLabels:
            app: web
      toPorts:
        - ports:
            - port: '8080'
              protocol: TCP
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  endpointSelector:
    matchLabels:
      app: web
  ingress:
    - fromEndpoints:
        - matchLabels:
            app: frontend
      toPorts:
        - ports:
            - port: '8080'
              protocol: TCP
  egress:
    - {}
`,
  );
});

test("a NetworkPolicy names the world by its addresses, and cannot speak of ICMP", () => {
  const ping: Talk = { from: web, to: frontend, port: { kind: "icmp4", type: 8, code: 0 } };
  const connections = seen([
    ...forwarded({ from: frontend, to: client, port: tcp(443) }),
    ...forwarded({ from: frontend, to: dns, port: udp(53) }),
    ...forwarded(ping),
  ]);
  const suggestion = suggest(connections, { ...options, kind: "NetworkPolicy" });
  assert.deepEqual(
    suggestion.unnameable.map(({ from, port }) => [from.endpoint.podName, port]),
    [["web-0", { kind: "icmp", family: 4, type: 8 }]],
  );
  assert.equal(
    writeYaml(suggestion.policies.slice(0, 1)),
    `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: frontend
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: frontend
  policyTypes:
    - Ingress
    - Egress
  ingress: []
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - port: 53
          protocol: TCP
        - port: 53
          protocol: UDP
    - to:
        - ipBlock:
            cidr: 203.0.113.7/32
      ports:
        - port: 443
          protocol: TCP
`,
  );
});

test("the world is one entity until some of it was denied the same", () => {
  const other = { ...client, address: "198.51.100.9" };
  const fromClient = forwarded({ from: client, to: web, port: tcp(80) });
  assert.match(yamlOf(fromClient), /fromEntities:\n\s+- world/);
  const both = [...fromClient, ...denied({ from: other, to: web, port: tcp(80) }, "ingress")];
  assert.match(yamlOf(both), /fromCIDR:\n\s+- 203.0.113.7\/32\n\s+toPorts/);
  assert.match(yamlOf(fromClient, { cidr: true }), /fromCIDR/);
  assert.match(yamlOf(both, { includeDrops: true }), /fromEntities/);
});

test("what reached the other end in audit mode is allowed; what only left is not", () => {
  const talk: Talk = { from: frontend, to: web, port: tcp(80) };
  const audited = [packet(talk, "egress"), packet(talk, "ingress", { verdict: 4, dropReason: 0 })];
  assert.match(yamlOf(audited), /port: '80'/);
  assert.doesNotMatch(yamlOf(denied(talk, "ingress")), /port: '80'/);
});

test("packets that do not say who began make no rules", () => {
  const talk: Talk = { from: web, to: frontend, port: tcp(40_000) };
  const established = {
    ...tcp(40_000),
    flags: { ...(tcp(1) as { flags: object }).flags, ack: true },
  };
  const flows: Flow[] = [
    packet(talk, "egress", { isReply: undefined }),
    packet(talk, "egress", { isReply: true }),
    packet(talk, "egress", { traceReason: 4 }),
    packet(talk, "egress", { direction: 0 }),
    packet(talk, "egress", { type: 3, verdict: 6 }),
    packet(talk, "egress", { type: 2 }),
    packet(talk, "egress", { l4: undefined }),
    packet(talk, "egress", { verdict: 2, dropReason: 158 }),
    packet(talk, "egress", { verdict: 2, dropReason: 133, l4: established as Flow["l4"] }),
    packet({ ...talk, to: { ...client, endpoint: { ...client.endpoint, labels: [] } } }, "egress"),
  ];
  assert.deepEqual(seen(flows), []);
});

test("pods whose labels another workload has too are told from it", () => {
  const canary: Someone = {
    group: "canary",
    endpoint: podEndpoint("shop", { app: "web", track: "canary" }, "canary-1"),
    address: "10.244.2.6",
  };
  const yaml = yamlOf([
    ...forwarded({ from: frontend, to: web, port: tcp(80) }),
    ...denied({ from: frontend, to: canary, port: tcp(80) }, "ingress"),
  ]);
  assert.match(yaml, /matchExpressions:\n\s+- key: track\n\s+operator: DoesNotExist/);
});

test("more ports than one list takes are several lists", () => {
  const flows = Array.from({ length: 90 }, (_, at) =>
    forwarded({ from: frontend, to: web, port: tcp(1000 + at) }),
  ).flat();
  assert.equal(yamlOf(flows).match(/- ports:/g)?.length, 6);
});

test("of random clusters, suggested policies allow what was seen and deny every other pair", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  let checked = 0;
  for (let round = 0; round < 15; round++) {
    const cluster = randomCluster(random);
    const cidr = random() < 0.5;
    const namespaces = random() < 0.5 ? ["shop"] : ["shop", "data", "ops"];
    const talks = everyTalk(cluster.people, cluster.ports).filter(() => random() < 0.3);
    const flows = talks.flatMap((talk) =>
      cluster.mayTalk(talk) ? forwarded(talk) : denied(talk, isPod(talk.to) ? "ingress" : "egress"),
    );
    const connections = seen(shuffled(flows, random));
    const suggestion = suggest(connections, { ...options, namespaces, cidr });
    const proof = prove(suggestion.policies, suggestion.connections, {
      settings,
      includeDrops: false,
    });
    const told = `seed ${seed} round ${round}`;
    assert.deepEqual([proof.invalid, proof.missing, proof.extra], [[], [], []], told);
    const asked = asker(suggestion.policies);
    const wanted = new Set(talks.filter((talk) => cluster.mayTalk(talk)).map(groupsOf));
    for (const talk of everyTalk(cluster.people, cluster.ports)) {
      const concerned = [talk.from, talk.to].filter(({ endpoint }) =>
        namespaces.includes(endpoint.namespace),
      );
      const isHeld = concerned.some((one) =>
        talks.some(({ from, to }) => one.group === from.group || one.group === to.group),
      );
      // An entity stands for all of the world: only addresses, or one that was denied, tell them apart.
      const isWorlds = [talk.from, talk.to].some(({ group }) => group.startsWith("world"));
      if (!isHeld || (isWorlds && !cidr)) continue;
      assert.equal(asked(talk), wanted.has(groupsOf(talk)), `${told} ${groupsOf(talk)}`);
      checked++;
    }
  }
  assert.ok(checked > 1500, `${checked}`);
});

function everyTalk(people: readonly Someone[], ports: readonly Talk["port"][]): Talk[] {
  return people
    .flatMap((from) => people.flatMap((to) => ports.map((port) => ({ from, to, port }))))
    .filter(({ from, to }) => from !== to && (isPod(from) || isPod(to)));
}

function groupsOf({ from, to, port }: Talk): string {
  return `${from.group} -> ${to.group} ${JSON.stringify(port)}`;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/** Whether these policies alone let a connection through. */
function asker(policies: readonly PolicyManifest[]): (talk: Talk) => boolean {
  const compiler = new PolicyCompiler(settings);
  for (const policy of policies) {
    const result = parsePolicy(policy, settings);
    assert.ok(result.ok);
    compiler.setPolicy(result.policy);
  }
  const end = ({ endpoint, address }: Someone, identity: number) => ({
    identity,
    labels: Labels.parse(endpoint.labels),
    address: Address.parse(address),
  });
  return ({ from, to, port }) => {
    const l4 = portOf(packet({ from, to, port }, "egress"));
    assert.ok(l4);
    const question = { from: end(from, 500), to: end(to, 501), ...numbersOf(l4) };
    return compiler.explain(question).verdict === "allowed";
  };
}
