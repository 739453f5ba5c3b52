// Policy and services at once: what a policy judges is the backend, whatever the address that was asked, at sockets and per
// packet; and what it answers in a backend's place comes from the service.
//
//   node-1: near, client-1 (friend)      node-2: far, client-2 (stranger)      world: 203.0.113.10
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { KubeObject } from "@tsilium/kube";
import { type Client, type Request, wordOf } from "./services/requests.ts";
import {
  clusterIp,
  families,
  loadBalancerIp,
  nodeAddress,
  nodePort,
  ServiceLab,
} from "./services/service-lab.ts";
import { echoPort, service, type ServiceFacts } from "./services/service-objects.ts";
import {
  allPaths,
  assertComesTo,
  namespace,
  type Path,
  shopObjects,
  textOf,
  web,
} from "./services/shop.ts";

/**
 * How long a client waits that hears nothing. In a lab a TCP socket may be told of an error within its own call of
 * connect(2), and believes it from the next SYN on, a second later.
 */
const patienceMs = { ok: 3000, timeout: 700, refused: 700, told: 1800 } as const;
const backends = ["near", "far"] as const;
type Backend = (typeof backends)[number];
const homes = { near: "node-1", far: "node-2" } as const;

type ClientName = "client-1" | "client-2" | "near" | "world";

/** What comes of a request: its backend's answer, or silence. */
type Verdict = "ok" | "timeout" | "refused" | "told";

type Ask = {
  readonly from: ClientName;
  readonly backend: Backend;
  /** The node whose node port is asked; undefined: the cluster IP, or for the world the load balancer's address. */
  readonly node?: "node-1" | "node-2";
};

type Case = {
  readonly sentence: string;
  readonly policy: KubeObject;
  readonly asks: readonly (readonly [Ask, Verdict])[];
};

/** Asks of pods by every address. */
function pods(from: ClientName, backend: Backend): Ask[] {
  return [
    { from, backend },
    { from, backend, node: "node-1" },
    { from, backend, node: "node-2" },
  ];
}

const outside = (backend: Backend): Ask[] => [
  { from: "world", backend, node: "node-1" },
  { from: "world", backend, node: "node-2" },
];

const meets = (asks: readonly Ask[], verdict: Verdict) =>
  asks.map((ask) => [ask, verdict] as const);

function networkPolicy(
  name: string,
  spec: object,
  annotations?: Record<string, string>,
): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name, namespace, ...(annotations ? { annotations } : {}) },
    spec,
  } as KubeObject;
}

function ciliumPolicy(name: string, spec: object): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  } as KubeObject;
}

const labelled = (labels: object) => ({ matchLabels: labels });
const friend = labelled({ pod: "client-1" });
const servers = labelled(web);
const everybody = { fromEntities: ["all"] };

/**
 * Where a node has taken a client's place, the VNI says who it is, if there is a tunnel; where it answers directly, it is itself
 * everywhere.
 */
function cases({ tunnelled, direct }: Path): Case[] {
  return [
    {
      sentence: "ingress is judged by the client's identity, through any address",
      policy: networkPolicy("friends", {
        podSelector: servers,
        ingress: [{ from: [{ podSelector: friend }] }],
      }),
      asks: backends.flatMap((backend) => [
        ...meets(pods("client-1", backend), "ok"),
        ...meets(pods("client-2", backend), "timeout"),
        ...meets([...outside(backend), { from: "world", backend }], "timeout"),
      ]),
    },
    {
      sentence: "clients from outside are the world, unless only a node's address is left of them",
      policy: ciliumPolicy("world", {
        endpointSelector: servers,
        ingress: [{ fromEntities: ["world"] }],
      }),
      asks: backends.flatMap((backend) => [
        ...outside(backend).map(
          (ask) =>
            [ask, ask.node === homes[backend] || tunnelled || direct ? "ok" : "timeout"] as const,
        ),
        ...meets(pods("client-1", backend), "timeout"),
      ]),
    },
    {
      sentence: "a block of addresses admits clients from outside whose address is kept",
      policy: networkPolicy("block", {
        podSelector: servers,
        ingress: [
          {
            from: [
              { ipBlock: { cidr: "203.0.113.0/24" } },
              { ipBlock: { cidr: "2001:db8:113::/64" } },
            ],
          },
        ],
      }),
      asks: backends.flatMap((backend) =>
        outside(backend).map(
          (ask) => [ask, ask.node === homes[backend] || direct ? "ok" : "timeout"] as const,
        ),
      ),
    },
    {
      sentence: "egress toServices lets through to the service's pods and to no others",
      policy: ciliumPolicy("to-far", {
        endpointSelector: friend,
        egress: [{ toServices: [{ k8sService: { serviceName: "far", namespace } }] }],
      }),
      asks: [
        ...meets(pods("client-1", "far"), "ok"),
        ...meets(pods("client-1", "near"), "timeout"),
        ...meets(pods("client-2", "near"), "ok"),
      ],
    },
    {
      sentence: "egress that is denied to a backend is denied through its service",
      policy: ciliumPolicy("not-far", {
        endpointSelector: friend,
        egress: [{ toEntities: ["all"] }],
        egressDeny: [{ toEndpoints: [labelled({ pod: "far" })] }],
      }),
      asks: [
        ...meets(pods("client-1", "near"), "ok"),
        ...meets(pods("client-1", "far"), "timeout"),
        ...meets(pods("client-2", "far"), "ok"),
      ],
    },
    {
      sentence: "an allowed port is the backend's",
      policy: networkPolicy("target-port", {
        podSelector: friend,
        policyTypes: ["Egress"],
        egress: [
          {
            to: [{ podSelector: labelled({ pod: "near" }) }],
            ports: [{ port: echoPort }, { port: echoPort, protocol: "UDP" }],
          },
          {
            to: [{ podSelector: labelled({ pod: "far" }) }],
            ports: [{ port: 80 }, { port: 80, protocol: "UDP" }],
          },
        ],
      }),
      asks: [
        ...meets(pods("client-1", "near"), "ok"),
        ...meets(pods("client-1", "far"), "timeout"),
      ],
    },
    {
      sentence: "no policy stands between a pod and itself",
      policy: networkPolicy("nobody", { podSelector: servers, policyTypes: ["Ingress", "Egress"] }),
      asks: [
        ...meets([{ from: "near", backend: "near" }], "ok"),
        ...meets([{ from: "near", backend: "far" }], "timeout"),
        ...meets(pods("client-1", "near"), "timeout"),
      ],
    },
    {
      sentence: "a reset of the receiver's policy comes from the address that was asked",
      policy: networkPolicy(
        "reset",
        { podSelector: servers, policyTypes: ["Ingress"] },
        { "policy.tsilium.io/deny-response": "rst" },
      ),
      asks: backends.flatMap((backend) => [
        ...meets(pods("client-1", backend), "refused"),
        ...meets([...outside(backend), { from: "world", backend }], "refused"),
      ]),
    },
    {
      sentence: "a reset of the client's own policy comes from the address that was asked",
      policy: networkPolicy(
        "own-reset",
        { podSelector: friend, policyTypes: ["Egress"] },
        { "policy.tsilium.io/deny-response": "rst" },
      ),
      asks: backends.flatMap((backend) => meets(pods("client-1", backend), "refused")),
    },
    {
      sentence: "an ICMP error of the receiver's policy is about the address that was asked",
      policy: networkPolicy(
        "icmp",
        { podSelector: servers, policyTypes: ["Ingress"] },
        { "policy.tsilium.io/deny-response": "icmp" },
      ),
      asks: backends.flatMap((backend) => [
        ...meets(pods("client-1", backend), "told"),
        ...meets(outside(backend), "told"),
      ]),
    },
    {
      sentence: "ingress by everybody admits whoever comes through a service",
      policy: ciliumPolicy("all", { endpointSelector: servers, ingress: [everybody] }),
      asks: backends.flatMap((backend) => [
        ...meets(pods("client-1", backend), "ok"),
        ...meets(outside(backend), "ok"),
      ]),
    },
  ];
}

for (const path of allPaths)
  describe(`policy and services balanced ${path.name}`, () => {
    let cluster: ServiceLab;
    let facts: Record<string, ServiceFacts>;
    before(async () => {
      cluster = await ServiceLab.up({ purpose: "policy", namespaces: [namespace], set: path.set });
      await cluster.apply(
        ...shopObjects(),
        ...backends.map((backend) =>
          service(backend, namespace, { selector: { pod: backend }, type: "LoadBalancer" }),
        ),
      );
      facts = await cluster.services(namespace);
    });
    after(() => cluster?.[Symbol.asyncDispose]());

    for (const { sentence, policy, asks } of cases(path))
      test(sentence, () =>
        cluster.having([policy], async () => {
          const wrong: string[] = [];
          for (const [from, own] of Map.groupBy(asks, ([ask]) => ask.from)) {
            const planned = own.flatMap(([ask, verdict]) =>
              requestsOf(ask, verdict).map((request) => ({ request, verdict, ask })),
            );
            const outcomes = await clientOf(from).ask(planned.map(({ request }) => request));
            for (const [at, outcome] of outcomes.entries()) {
              const { request, verdict, ask } = planned[at] as (typeof planned)[number];
              const wanted = expected(verdict, ask, request);
              if (wordOf(outcome) !== wanted)
                wrong.push(
                  `${from}, ${textOf(request)} (${ask.backend}): ${wordOf(outcome)}, not ${wanted}`,
                );
            }
          }
          assert.deepEqual(wrong, []);
        }),
      );

    test("default deny with DNS reaches a service by its name", async () => {
      const lookup = networkPolicy("names", {
        podSelector: friend,
        policyTypes: ["Egress"],
        egress: [
          { to: [{ namespaceSelector: {} }], ports: [{ port: 53, protocol: "UDP" }] },
          { to: [{ podSelector: labelled({ pod: "near" }) }] },
        ],
      });
      const curl = (name: string) =>
        cluster.lab.exec(namespace, "client-1", ["curl", "-s", "-m1", `http://${name}/`]);
      await cluster.having([lookup], async () => {
        for (const name of ["near", `near.${namespace}.svc.cluster.local`])
          assert.match((await curl(name)).stdout, /"pod":"near"/);
        assert.equal((await curl("far")).stdout, "");
      });
      const silent = networkPolicy("no-names", {
        podSelector: friend,
        policyTypes: ["Egress"],
        egress: [{ to: [{ podSelector: labelled({ pod: "near" }) }] }],
      });
      await cluster.having([silent], async () => {
        assert.equal((await curl("near")).stdout, "");
        await assertComesTo(
          cluster.inPod(namespace, "client-1"),
          requestsOf({ from: "client-1", backend: "near" }, "ok"),
          "near",
        );
      });
    });

    function clientOf(from: ClientName): Client {
      return from === "world" ? cluster.inWorld() : cluster.inPod(namespace, from);
    }

    function requestsOf({ from, backend, node }: Ask, verdict: Verdict): Request[] {
      const service = facts[backend];
      return families.flatMap((family) =>
        (["tcp", "udp"] as const).map((protocol) => ({
          protocol,
          address: node
            ? nodeAddress(node, family)
            : from === "world"
              ? loadBalancerIp(service, family)
              : clusterIp(service, family),
          port: node ? nodePort(service) : 80,
          timeoutMs: patienceMs[verdict],
        })),
      );
    }
  });

/** In the words of `wordOf`. */
function expected(verdict: Verdict, { backend }: Ask, { protocol, address }: Request): string {
  if (verdict === "ok") return backend;
  if (verdict === "timeout") return "timeout";
  // Administratively prohibited: EHOSTUNREACH, and EACCES for IPv6. A reset is for TCP alone.
  if (verdict === "refused" && protocol === "tcp") return "refused";
  return address.includes(":") ? "denied" : "unreachable";
}
