// The naive evaluator against what Cilium documents of its policies (reference.md, A4 and A6).
import { cases } from "./xyz.ts";

/** A CiliumNetworkPolicy of namespace x: `spec` is YAML in flow style. */
const cnp = (spec: string, name = "p") =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: ${name}, namespace: x}, spec: ${spec}}`;
const ccnp = (spec: string, name = "p") =>
  `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: ${name}}, spec: ${spec}}`;
const stream = (...objects: readonly string[]) => objects.join("\n---\n");

// Default deny
cases([
  {
    sentence: "a rule in a direction isolates in that direction alone",
    objects: cnp(`{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}`),
    expect: [
      "x/b -> x/a tcp/80: allowed",
      "x/c -> x/a tcp/80: denied",
      "203.0.113.10 -> x/a tcp/80: denied",
      "x/a -> y/a tcp/80: allowed",
    ],
  },
  {
    sentence: "`ingress: []` has no effect, `ingress: [{}]` isolates and allows nothing",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, ingress: []}`),
      cnp(`{endpointSelector: {matchLabels: {pod: b}}, ingress: [{}]}`, "q"),
    ),
    expect: ["x/c -> x/a tcp/80: allowed", "x/c -> x/b tcp/80: denied"],
  },
  {
    sentence: "a deny rule isolates too, and an empty one denies nobody in particular",
    objects: stream(
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, enableDefaultDeny: {ingress: false}, ingressDeny: [{}]}`,
        "q",
      ),
    ),
    expect: [
      "x/b -> x/a tcp/80: denied",
      "x/c -> x/a tcp/80: denied",
      "x/c -> x/b tcp/80: allowed",
    ],
  },
  {
    sentence:
      "enableDefaultDeny: false does not isolate, its denies count, and any other policy isolates",
    objects: stream(
      cnp(
        `{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}`,
      ),
      cnp(`{endpointSelector: {matchLabels: {pod: c}}, ingress: [{fromEndpoints: [{}]}]}`, "q"),
    ),
    expect: [
      "x/b -> x/a tcp/80: denied",
      "x/c -> x/a tcp/80: allowed",
      "203.0.113.10 -> x/a tcp/80: allowed",
      "x/a -> x/c tcp/80: allowed",
      "x/b -> x/c tcp/80: denied",
      "203.0.113.10 -> x/c tcp/80: denied",
    ],
  },
  {
    sentence: "enableDefaultDeny: true without a rule in the direction has no effect",
    objects: cnp(
      `{endpointSelector: {}, enableDefaultDeny: {egress: true}, ingress: [{fromEndpoints: [{}]}]}`,
    ),
    expect: ["x/a -> y/a tcp/80: allowed", "y/a -> x/a tcp/80: denied"],
  },
  {
    sentence: "`specs` is a list of independent policies",
    objects: `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, namespace: x}, specs: [
      {endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{matchLabels: {pod: b}}]}]},
      {endpointSelector: {matchLabels: {pod: b}}, egress: [{toEndpoints: [{matchLabels: {pod: c}}]}]}]}`,
    expect: [
      "x/c -> x/a tcp/80: denied",
      "x/b -> x/a tcp/80: denied",
      "x/b -> x/c tcp/80: allowed",
      "x/c -> x/b tcp/80: allowed",
    ],
  },
]);

// Deny over allow
cases([
  {
    sentence: "a deny without ports beats an allow with ports",
    objects: stream(
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}]}`,
        "q",
      ),
    ),
    expect: ["x/b -> x/a tcp/80: denied", "x/c -> x/a tcp/80: allowed"],
  },
  {
    sentence: "a deny of some ports leaves the others allowed",
    objects: cnp(
      `{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{}]}],
        ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80", endPort: 90, protocol: TCP}]}]}]}`,
    ),
    expect: [
      "x/b -> x/a tcp/79: allowed",
      "x/b -> x/a tcp/80: denied",
      "x/b -> x/a tcp/90: denied",
      "x/b -> x/a tcp/91: allowed",
      "x/b -> x/a udp/80: allowed",
      "x/c -> x/a tcp/80: allowed",
    ],
  },
  {
    sentence: "a wide CIDR deny beats a narrow allow, isolating or not (CVE-2024-47825)",
    objects: stream(
      cnp(
        `{endpointSelector: {}, enableDefaultDeny: {egress: false}, egressDeny: [{toCIDR: [203.0.113.0/24]}]}`,
      ),
      cnp(
        `{endpointSelector: {}, enableDefaultDeny: {egress: false}, egress: [{toCIDRSet: [{cidr: 203.0.113.10/32}]}]}`,
        "q",
      ),
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, egress: [{toEntities: [all]}]}`, "r"),
    ),
    expect: [
      "x/a -> 203.0.113.10 tcp/80: denied",
      "x/b -> 203.0.113.10 tcp/80: denied",
      "x/b -> 203.0.114.10 tcp/80: allowed",
      "x/a -> 203.0.114.10 tcp/80: allowed",
    ],
  },
  {
    sentence: "a deny by entity beats an allow by label",
    objects: cnp(
      `{endpointSelector: {}, egress: [{toEndpoints: [{}]}], egressDeny: [{toEntities: [cluster], toPorts: [{ports: [{port: "81", protocol: ANY}]}]}]}`,
    ),
    expect: [
      "x/a -> x/b tcp/80: allowed",
      "x/a -> x/b tcp/81: denied",
      "x/a -> x/b udp/81: denied",
      "x/a -> x/b icmp/8: allowed",
    ],
  },
]);

// Endpoints
cases([
  {
    sentence: "fromEndpoints [{}] is every pod of the namespace, and neither world nor node",
    objects: cnp(`{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}`),
    expect: [
      "x/b -> x/a tcp/80: allowed",
      "y/b -> x/a tcp/80: denied",
      "node-2 -> x/a tcp/80: denied",
      "203.0.113.10 -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "an empty list of peers selects nobody, with ports too",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: []}]}`),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
        "q",
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: c}}, ingress: [{fromCIDRSet: []}, {fromEntities: []}]}`,
        "r",
      ),
    ),
    expect: [
      "x/b -> x/a tcp/80: denied",
      "x/a -> x/b tcp/80: denied",
      "203.0.113.10 -> x/c tcp/80: denied",
    ],
  },
  {
    sentence: "an empty list of ports is no port",
    objects: cnp(`{endpointSelector: {}, ingress: [{fromEndpoints: [{}], toPorts: []}]}`),
    expect: ["x/b -> x/a tcp/80: denied"],
  },
  {
    sentence: "ports without peers are for everybody",
    objects: cnp(
      `{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
    ),
    expect: [
      "203.0.113.10 -> x/a tcp/80: allowed",
      "y/b -> x/a tcp/80: allowed",
      "node-2 -> x/a tcp/80: allowed",
      "y/b -> x/a tcp/81: denied",
    ],
  },
  {
    sentence: "a peer that names a namespace, or labels of one, may be elsewhere",
    objects: cnp(
      `{endpointSelector: {}, ingress: [
        {fromEndpoints: [{matchLabels: {"k8s:io.kubernetes.pod.namespace": y, pod: b}}]},
        {fromEndpoints: [{matchLabels: {"k8s:io.cilium.k8s.namespace.labels.ns": z}}]}]}`,
    ),
    expect: [
      "y/b -> x/a tcp/80: allowed",
      "y/c -> x/a tcp/80: denied",
      "z/c -> x/a tcp/80: allowed",
      "x/b -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "clusterwide, [{}] is every pod of every namespace, and neither world nor node",
    objects: ccnp(`{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEndpoints: [{}]}]}`),
    expect: [
      "z/b -> x/a tcp/80: allowed",
      "node-2 -> x/a tcp/80: denied",
      "health -> x/a tcp/80: denied",
      "203.0.113.10 -> y/a tcp/80: denied",
      "203.0.113.10 -> y/b tcp/80: allowed",
    ],
  },
  {
    sentence: "a namespaced policy selects nobody outside, whatever it says (CVE-2023-41333)",
    objects: stream(
      cnp(
        `{endpointSelector: {matchExpressions: [{key: "reserved:init", operator: DoesNotExist}]}, ingress: [{}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {"k8s:io.kubernetes.pod.namespace": y}}, egress: [{}]}`,
        "q",
      ),
    ),
    expect: [
      "x/b -> x/a tcp/80: denied",
      "x/b -> y/a tcp/80: allowed",
      "y/b -> z/a tcp/80: allowed",
    ],
  },
  {
    sentence: "selectors look at the source of labels: any, k8s, another",
    objects: cnp(
      `{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {"k8s:pod": a}}, {matchLabels: {"any:pod": b}}, {matchLabels: {"container:pod": c}}]}]}`,
    ),
    expect: [
      "x/a -> x/b tcp/80: allowed",
      "x/b -> x/a tcp/80: allowed",
      "x/c -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "a reserved label as a peer is not tied to a namespace",
    objects: cnp(
      `{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {"reserved:health": ""}}]}]}`,
    ),
    expect: ["health -> x/a tcp/80: allowed", "ingress -> x/a tcp/80: denied"],
  },
  {
    sentence: "service accounts and the cluster's name are labels",
    objects: cnp(
      `{endpointSelector: {matchLabels: {io.cilium.k8s.policy.serviceaccount: default}}, ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: default, pod: b}}]}]}`,
    ),
    expect: ["x/b -> x/a tcp/80: allowed", "x/c -> x/a tcp/80: denied"],
  },
]);

// Entities
cases([
  {
    sentence: "world is what is outside the cluster, all is everything, none is nobody",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, ingress: [{fromEntities: [world]}]}`),
      cnp(`{endpointSelector: {matchLabels: {pod: b}}, ingress: [{fromEntities: [all]}]}`, "q"),
      cnp(`{endpointSelector: {matchLabels: {pod: c}}, ingress: [{fromEntities: [none]}]}`, "r"),
    ),
    expect: [
      "203.0.113.10 -> x/a tcp/80: allowed",
      "2001:db8:113::10 -> x/a tcp/80: allowed",
      "y/a -> x/a tcp/80: denied",
      "node-2 -> x/a tcp/80: denied",
      "node-2 -> x/b tcp/80: allowed",
      "y/a -> x/b tcp/80: allowed",
      "203.0.113.10 -> x/b tcp/80: allowed",
      "203.0.113.10 -> x/c tcp/80: denied",
    ],
  },
  {
    sentence: "cluster is pods, nodes and what Cilium runs itself",
    objects: cnp(`{endpointSelector: {}, egress: [{toEntities: [cluster]}]}`),
    expect: [
      "x/a -> z/b tcp/80: allowed",
      "x/a -> node-1 tcp/80: allowed",
      "x/a -> node-2 tcp/80: allowed",
      "x/a -> health tcp/80: allowed",
      "x/a -> 203.0.113.10 tcp/80: denied",
    ],
  },
  {
    sentence: "host is the pod's own node, remote-node the others",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, egress: [{toEntities: [host]}]}`),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, egress: [{toEntities: [remote-node]}]}`,
        "q",
      ),
    ),
    expect: [
      "x/a -> node-1 tcp/80: allowed",
      "x/a -> node-2 tcp/80: denied",
      "x/b -> node-1 tcp/80: denied",
      "x/b -> node-2 tcp/80: allowed",
    ],
  },
  {
    sentence: "kube-apiserver is a node that it runs on, which is a remote node still",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, egress: [{toEntities: [kube-apiserver]}]}`),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, egress: [{toEntities: [remote-node]}]}`,
        "q",
      ),
    ),
    world: { apiServer: ["172.18.0.3"] },
    expect: [
      "x/a -> node-2 tcp/80: allowed",
      "x/a -> node-1 tcp/80: denied",
      "x/b -> node-2 tcp/80: allowed",
    ],
  },
  {
    sentence: "kube-apiserver is an address outside where it runs there, which is the world still",
    objects: stream(
      cnp(`{endpointSelector: {matchLabels: {pod: a}}, egress: [{toEntities: [kube-apiserver]}]}`),
      cnp(`{endpointSelector: {matchLabels: {pod: b}}, egress: [{toEntities: [world]}]}`, "q"),
      cnp(`{endpointSelector: {matchLabels: {pod: c}}, egress: [{toCIDR: [203.0.113.10]}]}`, "r"),
    ),
    world: { apiServer: ["203.0.113.10"] },
    expect: [
      "x/a -> 203.0.113.10 tcp/6443: allowed",
      "x/a -> 203.0.113.11 tcp/6443: denied",
      "x/b -> 203.0.113.10 tcp/6443: allowed",
      "x/c -> 203.0.113.10 tcp/6443: allowed",
    ],
  },
]);

// Addresses
cases([
  {
    sentence:
      "a CIDR is about addresses outside: never pods, and nodes only where the match mode says so",
    objects: cnp(`{endpointSelector: {}, egress: [{toCIDR: [0.0.0.0/0]}]}`),
    expect: [
      "x/a -> 203.0.113.10 tcp/80: allowed",
      "x/a -> 2001:db8:113::10 tcp/80: denied",
      "x/a -> y/a tcp/80: denied",
      "x/a -> node-1 tcp/80: denied",
      "x/a -> node-2 tcp/80: denied",
    ],
  },
  {
    sentence: "policy-cidr-match-mode nodes adds nodes",
    objects: cnp(`{endpointSelector: {}, egress: [{toCIDR: [172.18.0.0/16, 10.0.0.0/8]}]}`),
    settings: { cidrMatchMode: ["nodes"] },
    expect: [
      "x/a -> node-1 tcp/80: allowed",
      "x/a -> node-2 tcp/80: allowed",
      "x/a -> y/a tcp/80: denied",
      "x/a -> health tcp/80: denied",
    ],
  },
  {
    sentence: "policy-cidr-match-mode pods adds everybody",
    objects: cnp(`{endpointSelector: {}, egress: [{toCIDR: [10.0.0.0/8]}]}`),
    settings: { cidrMatchMode: ["pods"] },
    expect: ["x/a -> y/a tcp/80: allowed", "x/a -> node-1 tcp/80: denied"],
  },
  {
    sentence: "a bare address is a CIDR of one, and `except` is not allowed, which is not denied",
    objects: stream(
      cnp(`{endpointSelector: {}, egress: [{toCIDR: [203.0.113.10, "2001:db8:113::10"]}]}`),
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, egress: [{toCIDRSet: [{cidr: 203.0.0.0/16, except: [203.0.113.0/24]}]}]}`,
        "q",
      ),
    ),
    expect: [
      "x/b -> 203.0.113.10 tcp/80: allowed",
      "x/b -> 203.0.113.11 tcp/80: denied",
      "x/b -> 2001:db8:113::10 tcp/80: allowed",
      "x/a -> 203.0.112.1 tcp/80: allowed",
      "x/a -> 203.0.113.11 tcp/80: denied",
      "x/a -> 203.0.113.10 tcp/80: allowed",
    ],
  },
  {
    sentence: "`except` of a deny is not denied by it",
    objects: cnp(
      `{endpointSelector: {}, enableDefaultDeny: {egress: false}, egressDeny: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [203.0.113.0/24]}]}]}`,
    ),
    expect: ["x/a -> 203.0.113.10 tcp/80: allowed", "x/a -> 203.0.114.10 tcp/80: denied"],
  },
  {
    sentence: "CIDR groups by name and by label; one that is not there is nobody (CVE-2025-64715)",
    objects: stream(
      `{apiVersion: cilium.io/v2, kind: CiliumCIDRGroup, metadata: {name: g, labels: {role: vpn}}, spec: {externalCIDRs: [203.0.113.0/24, 198.51.100.0/24]}}`,
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, egress: [{toCIDRSet: [{cidrGroupRef: g, except: [203.0.113.0/28]}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {role: vpn}}}]}]}`,
        "q",
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: c}}, egress: [{toCIDRSet: [{cidrGroupRef: gone}]}]}`,
        "r",
      ),
    ),
    expect: [
      "x/a -> 203.0.113.99 tcp/80: allowed",
      "x/a -> 203.0.113.1 tcp/80: denied",
      "x/b -> 198.51.100.7 tcp/80: allowed",
      "x/b -> 203.0.114.1 tcp/80: denied",
      "x/c -> 203.0.113.99 tcp/80: denied",
    ],
  },
]);

// Services, nodes, names
cases([
  {
    sentence: "toServices: the pods that a service selects, or the addresses of its slices",
    objects: stream(
      `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: y}, spec: {selector: {pod: b}}}`,
      `{apiVersion: v1, kind: Service, metadata: {name: db, namespace: y, labels: {kind: external}}, spec: {}}`,
      `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: db-1, namespace: y, labels: {kubernetes.io/service-name: db}}, addressType: IPv4, endpoints: [{addresses: [203.0.113.10]}]}`,
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, egress: [{toServices: [{k8sService: {serviceName: web, namespace: y}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {kind: external}}}}]}]}`,
        "q",
      ),
      cnp(`{endpointSelector: {matchLabels: {pod: c}}, egress: [{toServices: []}]}`, "r"),
    ),
    expect: [
      "x/a -> y/b tcp/80: allowed",
      "x/a -> y/b tcp/81: denied",
      "x/a -> z/b tcp/80: denied",
      "x/b -> 203.0.113.10 tcp/5432: allowed",
      "x/b -> 203.0.113.11 tcp/5432: denied",
      "x/b -> y/b tcp/80: denied",
      "x/c -> y/b tcp/80: denied",
    ],
  },
  {
    sentence: "nodes by their labels, which no pod can have (CVE-2025-30163)",
    objects: cnp(`{endpointSelector: {}, egress: [{toNodes: [{matchLabels: {zone: two}}]}]}`),
    world: {
      pods: [
        { namespace: "x", name: "a", labels: {}, addresses: ["10.244.0.98"], node: "node-1" },
        {
          namespace: "x",
          name: "forger",
          labels: { zone: "two" },
          addresses: ["10.244.0.99"],
          node: "node-1",
        },
      ],
    },
    expect: [
      "x/a -> node-2 tcp/80: allowed",
      "x/a -> node-1 tcp/80: denied",
      "x/a -> x/forger tcp/80: denied",
    ],
  },
  {
    sentence: "toFQDNs and toGroups are nobody, and isolate",
    objects: stream(
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, egress: [{toFQDNs: [{matchName: example.com}]}]}`,
      ),
      cnp(`{endpointSelector: {matchLabels: {pod: b}}, egress: [{toGroups: []}]}`, "q"),
    ),
    expect: ["x/a -> 203.0.113.10 tcp/80: denied", "x/b -> 203.0.113.10 tcp/80: denied"],
  },
]);

// Ports
cases([
  {
    sentence: "ANY is TCP, UDP and SCTP and not ICMP; port 0 is all of them",
    objects: stream(
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, ingress: [{toPorts: [{ports: [{port: "80"}]}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, ingress: [{toPorts: [{ports: [{port: "0", protocol: UDP}]}]}]}`,
        "q",
      ),
    ),
    expect: [
      "x/c -> x/a tcp/80: allowed",
      "x/c -> x/a sctp/80: allowed",
      "x/c -> x/a icmp/80: denied",
      "x/c -> x/b udp/4000: allowed",
      "x/c -> x/b tcp/4000: denied",
    ],
  },
  {
    sentence: "names: of the pod itself for ingress, of the peer for egress; '0x10' is a name",
    objects: stream(
      cnp(
        `{endpointSelector: {matchLabels: {pod: a}}, ingress: [{toPorts: [{ports: [{port: SERVE-80-TCP, protocol: TCP}, {port: serve-81-udp}, {port: serve-81-tcp, protocol: UDP}]}]}]}`,
      ),
      cnp(
        `{endpointSelector: {matchLabels: {pod: b}}, egress: [{toEntities: [all], toPorts: [{ports: [{port: serve-80-tcp, protocol: TCP}, {port: "0x10", protocol: TCP}]}]}]}`,
        "q",
      ),
    ),
    expect: [
      "x/c -> x/a tcp/80: allowed",
      "x/c -> x/a udp/81: allowed",
      "x/c -> x/a tcp/81: denied",
      "x/b -> y/c tcp/80: allowed",
      "x/b -> y/c tcp/16: denied",
      "x/b -> 203.0.113.10 tcp/80: denied",
    ],
  },
  {
    sentence: "a name on egress is looked up in all pods of the peer's identity",
    objects: cnp(
      `{endpointSelector: {matchLabels: {app: client}}, egress: [{toEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: http, protocol: TCP}]}]}]}`,
    ),
    world: {
      pods: [
        {
          namespace: "x",
          name: "client",
          labels: { app: "client" },
          addresses: ["10.244.0.1"],
          node: "node-1",
        },
        ...[8080, 9090].map((port) => ({
          namespace: "x",
          name: `web-${port}`,
          labels: { app: "web" },
          addresses: [`10.244.0.${port % 100}`],
          node: "node-1",
          namedPorts: [{ name: "http", protocol: "TCP" as const, port }],
        })),
      ],
    },
    expect: [
      "x/client -> x/web-8080 tcp/8080: allowed",
      "x/client -> x/web-8080 tcp/9090: allowed",
      "x/client -> x/web-8080 tcp/80: denied",
    ],
  },
  {
    sentence: "icmps: family IPv4 unless told otherwise, type by number or name",
    objects: cnp(
      `{endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}, {type: EchoRequest, family: IPv6}]}]}]}`,
    ),
    expect: [
      "y/a -> x/a icmp/8: allowed",
      "y/a -> x/a icmp/8 v6: denied",
      "y/a -> x/a icmp/128 v6: allowed",
      "y/a -> x/a icmp/128: denied",
      "y/a -> x/a tcp/8: denied",
    ],
  },
  {
    sentence:
      "an L7 rule isolates and allows through a proxy; a plain one of the same ports opens it",
    objects: cnp(
      `{endpointSelector: {}, ingress: [
        {fromEndpoints: [{}], toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}]},
        {fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
    ),
    expect: [
      "x/c -> x/a tcp/80: allowed (http)",
      "x/b -> x/a tcp/80: allowed (opened http)",
      "x/c -> x/a udp/80: denied",
      "node-1 -> x/a tcp/80: allowed",
    ],
  },
  {
    sentence:
      "plain rules that are wider or narrower than an L7 rule open nothing; a name is the port it stands for",
    objects: cnp(
      `{endpointSelector: {}, ingress: [
        {toPorts: [{ports: [{port: "80", endPort: 81, protocol: TCP}], rules: {http: [{}]}}]},
        {toPorts: [{ports: [{port: "80", protocol: TCP}, {port: "1", endPort: 90}]}]},
        {fromEndpoints: [{matchLabels: {pod: c}}], toPorts: [{ports: [{port: serve-81-tcp, protocol: TCP}], rules: {kafka: []}}]},
        {fromEndpoints: [{matchLabels: {pod: c}}], toPorts: [{ports: [{port: "81"}]}]},
        {fromEndpoints: [{matchLabels: {pod: b}}], toPorts: [{ports: [{port: "80", endPort: 81}]}]}]}`,
    ),
    expect: [
      "x/c -> x/a tcp/80: allowed (http)",
      // The kafka rule comes after one of another kind, and so does not count.
      "x/c -> x/a tcp/81: allowed (http)",
      "x/c -> x/a tcp/82: allowed",
      "x/b -> x/a tcp/80: allowed (opened http)",
    ],
  },
  {
    sentence:
      "DNS rules are for both protocols; deny comes before them, and what no proxy enforces allows nothing",
    objects: cnp(
      `{endpointSelector: {}, egress: [
        {toPorts: [{ports: [{port: "53", protocol: ANY}], rules: {dns: [{matchPattern: "*"}]}}]},
        {toPorts: [{ports: [{port: "443", protocol: TCP}], serverNames: [a.test]}]},
        {toPorts: [{ports: [{port: "11211", protocol: TCP}], rules: {l7proto: memcache}}]}],
        egressDeny: [{toEndpoints: [{matchLabels: {pod: b}}]}]}`,
    ),
    expect: [
      "x/a -> x/c udp/53: allowed (dns)",
      "x/a -> x/c tcp/53: allowed (dns)",
      "x/a -> x/c sctp/53: denied",
      "x/a -> x/b udp/53: denied",
      "x/a -> 203.0.113.10 tcp/443: allowed (sni)",
      "x/a -> x/c tcp/11211: denied",
    ],
  },
]);
