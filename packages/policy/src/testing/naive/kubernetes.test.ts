// The naive evaluator against the examples and sentences of the Kubernetes NetworkPolicy documentation.
import { cases } from "./xyz.ts";

/** A NetworkPolicy of namespace x: `spec` is YAML in flow style. */
const policy = (spec: string, name = "p", namespace = "x") =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`;
const both = (...specs: readonly string[]) =>
  specs.map((spec, index) => policy(spec, `p${index}`)).join("\n---\n");

cases([
  {
    sentence: "without a policy all pods reach all pods, and so does everybody else",
    objects: "",
    expect: [
      "x/a -> y/b tcp/80: allowed",
      "203.0.113.10 -> x/a udp/81: allowed",
      "x/a -> 203.0.113.10 icmp/8: allowed",
    ],
  },
  {
    sentence: "an empty podSelector and no rules deny all ingress of the namespace, and no egress",
    objects: policy(`{podSelector: {}, policyTypes: [Ingress]}`),
    expect: [
      "x/a -> x/b tcp/80: denied",
      "y/a -> x/b udp/81 v6: denied",
      "203.0.113.10 -> x/a icmp/8: denied",
      "x/a -> y/b tcp/80: allowed",
      "y/a -> z/b tcp/80: allowed",
    ],
  },
  {
    sentence: "a pod reaches itself whatever the policy",
    objects: policy(`{podSelector: {}, policyTypes: [Ingress, Egress]}`),
    expect: ["x/a -> x/a tcp/80: allowed"],
  },
  {
    sentence: "a pod's own node reaches it whatever the policy, another node does not",
    objects: policy(`{podSelector: {}}`),
    expect: [
      "node-1 -> x/a tcp/80: allowed",
      "node-2 -> x/a tcp/80: denied",
      "node-2 -> x/c tcp/80: allowed",
    ],
  },
  {
    sentence: "an empty rule allows all ingress",
    objects: policy(`{podSelector: {}, ingress: [{}]}`),
    expect: [
      "y/a -> x/b tcp/80: allowed",
      "203.0.113.10 -> x/b udp/53: allowed",
      "node-2 -> x/b icmp/8: allowed",
    ],
  },
  {
    sentence: "an empty `from` is as good as none",
    objects: policy(`{podSelector: {}, ingress: [{from: [], ports: [{port: 80}]}]}`),
    expect: [
      "y/a -> x/b tcp/80: allowed",
      "203.0.113.10 -> x/b tcp/80: allowed",
      "y/a -> x/b tcp/81: denied",
    ],
  },
  {
    sentence: "an empty `ports` is as good as none",
    objects: policy(`{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: []}]}`),
    expect: [
      "x/a -> x/b udp/81: allowed",
      "x/a -> x/b icmp/8: allowed",
      "y/a -> x/b tcp/80: denied",
    ],
  },
  {
    sentence: "without policyTypes a policy with no egress rules does not touch egress",
    objects: policy(`{podSelector: {}, ingress: [{}], egress: []}`),
    expect: ["x/a -> y/b tcp/80: allowed", "y/a -> x/a tcp/80: allowed"],
  },
  {
    sentence: "without policyTypes a policy with egress rules denies all ingress",
    objects: policy(`{podSelector: {}, egress: [{}]}`),
    expect: ["x/a -> y/b tcp/80: allowed", "y/a -> x/a tcp/80: denied"],
  },
  {
    sentence: "egress rules without Egress among the types are not looked at",
    objects: policy(
      `{podSelector: {}, policyTypes: [Ingress], ingress: [{}], egress: [{to: [{podSelector: {}}]}]}`,
    ),
    expect: ["x/a -> y/b tcp/80: allowed"],
  },
  {
    sentence: "egress only: nothing is said of ingress",
    objects: policy(`{podSelector: {}, policyTypes: [Egress]}`),
    expect: [
      "x/a -> x/b tcp/80: denied",
      "x/a -> 203.0.113.10 tcp/80: denied",
      "x/a -> node-1 tcp/80: denied",
      "y/a -> x/a tcp/80: allowed",
    ],
  },
  {
    sentence: "both ends must agree",
    objects: [
      policy(
        `{podSelector: {matchLabels: {pod: a}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 80}]}]}`,
      ),
      policy(`{podSelector: {matchLabels: {pod: b}}, ingress: [{ports: [{port: 81}]}]}`, "q", "y"),
    ].join("\n---\n"),
    expect: [
      "x/a -> y/b tcp/80: denied",
      "x/a -> y/b tcp/81: denied",
      "x/a -> y/c tcp/80: allowed",
      "x/b -> y/b tcp/81: allowed",
    ],
  },
  {
    sentence: "a podSelector alone means pods of the policy's own namespace",
    objects: policy(
      `{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchLabels: {pod: b}}}]}]}`,
    ),
    expect: [
      "x/b -> x/a tcp/80: allowed",
      "x/c -> x/a tcp/80: denied",
      "y/b -> x/a tcp/80: denied",
      "y/c -> x/b tcp/80: allowed",
    ],
  },
  {
    sentence: "a namespaceSelector alone means all pods of the namespaces",
    objects: policy(
      `{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}]}]}`,
    ),
    expect: [
      "y/a -> x/a tcp/80: allowed",
      "z/a -> x/a tcp/80: denied",
      "x/b -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "an empty namespaceSelector means the pods of all namespaces, and nobody else",
    objects: policy(`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`),
    expect: [
      "z/a -> x/a tcp/80: allowed",
      "203.0.113.10 -> x/a tcp/80: denied",
      "node-2 -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "both selectors in one peer must hold, in two peers either",
    objects:
      policy(
        `{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}, podSelector: {matchLabels: {pod: b}}}]}]}`,
      ) +
      "\n---\n" +
      policy(
        `{podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: y}}}, {podSelector: {matchLabels: {pod: c}}}]}]}`,
        "q",
      ),
    expect: [
      "y/b -> x/a tcp/80: allowed",
      "y/c -> x/a tcp/80: denied",
      "x/b -> x/a tcp/80: denied",
      "y/c -> x/b tcp/80: allowed",
      "x/c -> x/b tcp/80: allowed",
      "z/c -> x/b tcp/80: denied",
    ],
  },
  {
    sentence: "matchExpressions: In, NotIn (which a missing key satisfies), Exists, DoesNotExist",
    objects: both(
      `{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: In, values: [b]}]}}]}]}`,
      `{podSelector: {matchLabels: {pod: b}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: pod, operator: NotIn, values: [a]}, {key: tier, operator: NotIn, values: [db]}]}}]}]}`,
      `{podSelector: {matchExpressions: [{key: pod, operator: Exists}, {key: pod, operator: NotIn, values: [a, b]}]}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}]}]}`,
    ),
    expect: [
      "x/b -> x/a tcp/80: allowed",
      "x/c -> x/a tcp/80: denied",
      "x/c -> x/b tcp/80: allowed",
      "x/a -> x/b tcp/80: denied",
      "x/a -> x/c tcp/80: allowed",
    ],
  },
  {
    sentence: "an ipBlock is about addresses, whoever has them, and `except` takes some out",
    objects: policy(
      `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.244.0.0/24, except: [10.244.0.32/28]}}, {ipBlock: {cidr: 172.18.0.2/32}}, {ipBlock: {cidr: 203.0.113.0/24}}]}]}`,
    ),
    expect: [
      "x/a -> x/b tcp/80: allowed",
      "x/a -> y/b tcp/80: denied",
      "x/a -> z/b tcp/80: allowed",
      "x/a -> x/c tcp/80: denied",
      "x/a -> x/b tcp/80 v6: denied",
      "x/a -> node-1 tcp/80: allowed",
      "x/a -> node-2 tcp/80: denied",
      "x/a -> 203.0.113.10 tcp/80: allowed",
      "x/a -> 203.0.114.10 tcp/80: denied",
    ],
  },
  {
    sentence:
      "an ipBlock that is to be as Cilium's CIDR rules is about the world, and nodes where the match mode says so",
    objects: policy(
      `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`,
    ),
    settings: { ipBlock: "external", cidrMatchMode: ["nodes"] },
    expect: [
      "x/a -> x/b tcp/80: denied",
      "x/a -> node-2 tcp/80: allowed",
      "x/a -> 203.0.113.10 tcp/80: allowed",
    ],
  },
  {
    sentence: "what one policy takes out another may allow",
    objects: both(
      `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/24]}}]}]}`,
      `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.10/32}}]}]}`,
    ),
    expect: [
      "x/a -> 203.0.113.10 tcp/80: allowed",
      "x/a -> 203.0.113.11 tcp/80: denied",
      "x/a -> y/a tcp/80: allowed",
      "x/a -> y/a tcp/80 v6: denied",
    ],
  },
  {
    sentence: "::/0 is every IPv6 address and no IPv4 address",
    objects: policy(`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`),
    expect: [
      "y/a -> x/a tcp/80 v6: allowed",
      "y/a -> x/a tcp/80: denied",
      "2001:db8:113::10 -> x/a tcp/80: allowed",
    ],
  },
  {
    sentence: "ports: the protocol is TCP unless told otherwise, a port alone or a protocol alone",
    objects: policy(`{podSelector: {}, ingress: [{ports: [{port: 80}, {protocol: UDP}]}]}`),
    expect: [
      "y/a -> x/a tcp/80: allowed",
      "y/a -> x/a tcp/81: denied",
      "y/a -> x/a udp/12345: allowed",
      "y/a -> x/a sctp/80: denied",
      "y/a -> x/a icmp/8: denied",
    ],
  },
  {
    sentence: "endPort makes a range of both ends",
    objects: policy(
      `{podSelector: {}, ingress: [{ports: [{port: 80, endPort: 90, protocol: UDP}]}]}`,
    ),
    expect: [
      "y/a -> x/a udp/79: denied",
      "y/a -> x/a udp/80: allowed",
      "y/a -> x/a udp/90: allowed",
      "y/a -> x/a udp/91: denied",
      "y/a -> x/a tcp/80: denied",
    ],
  },
  {
    sentence: "a named port is the destination's container port of that name and protocol",
    objects: both(
      `{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: serve-81-tcp}, {port: serve-80-udp}]}]}`,
      `{podSelector: {matchLabels: {pod: b}}, policyTypes: [Egress], egress: [{ports: [{port: serve-80-udp, protocol: UDP}]}]}`,
    ),
    expect: [
      "y/a -> x/a tcp/81: allowed",
      "y/a -> x/a tcp/80: denied",
      "y/a -> x/a udp/80: denied",
      "x/b -> y/a udp/80: allowed",
      "x/b -> y/a udp/81: denied",
      "x/b -> 203.0.113.10 udp/80: denied",
      "x/b -> node-1 udp/80: denied",
    ],
  },
  {
    sentence: "policies add up, and there is no order among them",
    objects: both(
      `{podSelector: {}}`,
      `{podSelector: {matchLabels: {pod: a}}, ingress: [{ports: [{port: 80}]}]}`,
      `{podSelector: {matchLabels: {pod: a}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 81}]}]}`,
    ),
    expect: [
      "y/a -> x/a tcp/80: allowed",
      "y/a -> x/a tcp/81: denied",
      "x/b -> x/a tcp/81: allowed",
      "x/a -> x/b tcp/80: denied",
    ],
  },
  {
    sentence:
      "a pod whose labels are not known yet is selected by nobody and is denied all the same",
    objects: policy(`{podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}`),
    world: {
      pods: [
        {
          namespace: "x",
          name: "new",
          labels: {},
          addresses: ["10.244.0.99"],
          node: "node-1",
          init: true,
        },
        { namespace: "x", name: "old", labels: {}, addresses: ["10.244.0.98"], node: "node-1" },
      ],
    },
    expect: [
      "x/new -> x/old tcp/80: denied",
      "x/old -> x/new tcp/80: denied",
      "node-1 -> x/new tcp/80: allowed",
      "x/new -> 203.0.113.10 tcp/80: denied",
    ],
  },
  {
    sentence: "a label that pretends to be derived counts for nothing (CVE-2023-39347)",
    objects: policy(
      `{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {io.kubernetes.pod.namespace: y}}}]}]}`,
    ),
    world: {
      pods: [
        {
          namespace: "x",
          name: "forger",
          labels: { "io.kubernetes.pod.namespace": "y" },
          addresses: ["10.244.0.99"],
          node: "node-1",
        },
        { namespace: "x", name: "old", labels: {}, addresses: ["10.244.0.98"], node: "node-1" },
      ],
    },
    expect: ["x/forger -> x/old tcp/80: denied"],
  },
]);
