// The cases of the conformance matrix. Each is a sentence and what is applied; what must become of every pair of pods is
// computed from the same objects by the naive evaluator, not written here.
import type { World } from "../../../packages/policy/src/testing/naive/index.ts";
import type { Case } from "./state.ts";

type Spec = Readonly<Record<string, unknown>>;

/** Objects of a kind; the second argument names it, since a case that uses a name again changes the object. */
const networkPolicy = (spec: Spec, name = "policy", namespace = "x") => ({
  apiVersion: "networking.k8s.io/v1",
  kind: "NetworkPolicy",
  metadata: { name, namespace },
  spec,
});
const cilium = (spec: Spec, name = "policy", namespace = "x") => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumNetworkPolicy",
  metadata: { name, namespace },
  spec,
});
const clusterwide = (spec: Spec, name = "policy") => ({
  apiVersion: "cilium.io/v2",
  kind: "CiliumClusterwideNetworkPolicy",
  metadata: { name },
  spec,
});
const tiered = (spec: Spec, name = "policy") => ({
  apiVersion: "policy.networking.k8s.io/v1alpha2",
  kind: "ClusterNetworkPolicy",
  metadata: { name },
  spec,
});

const everyPod = {};
const podA = { matchLabels: { pod: "a" } };
const podB = { matchLabels: { pod: "b" } };
const inNamespace = (name: string) => ({ matchLabels: { ns: name } });
const tcp = (port: number | string) => ({ protocol: "TCP", port });
const udp = (port: number | string) => ({ protocol: "UDP", port });
/** A port as Cilium's rules have it. */
const port = (number: string, protocol: string, endPort?: number) => ({
  toPorts: [{ ports: [{ port: number, protocol, ...(endPort ? { endPort } : {}) }] }],
});

/** The address of a pod ("y/b") of a family. */
function addressOf(world: World, name: string, family: 4 | 6): string {
  const pod = world.pods.find((each) => `${each.namespace}/${each.name}` === name);
  const found = pod?.addresses.find((address) => address.includes(":") === (family === 6));
  if (!found) throw new Error(`${name} has no IPv${family} address`);
  return found;
}
/** Blocks of one address for both of a pod's. */
function blocksOf(world: World, name: string): string[] {
  return [`${addressOf(world, name, 4)}/32`, `${addressOf(world, name, 6)}/128`];
}

const defaultDeny: Case[] = [
  { sentence: "without a policy everybody reaches everybody" },
  {
    sentence: "a policy that selects all pods of a namespace and allows nothing denies ingress",
    objects: [networkPolicy({ podSelector: everyPod, policyTypes: ["Ingress"] })],
  },
  {
    sentence: "the same policy changed to egress denies egress, and ingress no more",
    objects: [networkPolicy({ podSelector: everyPod, policyTypes: ["Egress"] })],
  },
  {
    sentence: "both directions of one pod are denied, and of no other",
    objects: [networkPolicy({ podSelector: podA, policyTypes: ["Ingress", "Egress"] })],
  },
  { sentence: "a deleted policy denies nothing" },
  {
    sentence: "an empty rule allows everything, also beside a default deny",
    objects: [
      networkPolicy({ podSelector: everyPod }),
      networkPolicy({ podSelector: podB, ingress: [{}] }, "open"),
    ],
  },
];

const peers: Case[] = [
  {
    sentence: "one peer by pod label: of the policy's own namespace only",
    objects: [networkPolicy({ podSelector: podA, ingress: [{ from: [{ podSelector: podB }] }] })],
  },
  {
    sentence: "several peers: any of them",
    objects: [
      networkPolicy({
        podSelector: podA,
        ingress: [{ from: [{ podSelector: podB }, { namespaceSelector: inNamespace("z") }] }],
      }),
    ],
  },
  {
    sentence: "a namespace and a pod in one peer: both must fit",
    objects: [
      networkPolicy({
        podSelector: podA,
        ingress: [{ from: [{ namespaceSelector: inNamespace("y"), podSelector: podB }] }],
      }),
    ],
  },
  {
    sentence: "an empty namespaceSelector: the pods of all namespaces, not nodes",
    objects: [
      networkPolicy({ podSelector: everyPod, ingress: [{ from: [{ namespaceSelector: {} }] }] }),
    ],
  },
  {
    sentence: "In and NotIn over namespaces and pods",
    objects: [
      networkPolicy({
        podSelector: { matchExpressions: [{ key: "pod", operator: "NotIn", values: ["c"] }] },
        ingress: [
          {
            from: [
              {
                namespaceSelector: {
                  matchExpressions: [{ key: "ns", operator: "NotIn", values: ["x"] }],
                },
                podSelector: {
                  matchExpressions: [{ key: "pod", operator: "In", values: ["b", "c"] }],
                },
              },
            ],
          },
        ],
      }),
    ],
  },
  {
    sentence: "Exists and DoesNotExist, with a label that one pod has",
    podLabels: { "x/b": { tier: "front" }, "y/c": { tier: "front" } },
    objects: [
      networkPolicy({
        podSelector: { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] },
        ingress: [
          {
            from: [
              {
                namespaceSelector: {},
                podSelector: { matchExpressions: [{ key: "tier", operator: "Exists" }] },
              },
            ],
          },
        ],
      }),
    ],
  },
  {
    sentence: "when the label moves to other pods, so does the policy",
    podLabels: { "x/a": { tier: "front" }, "z/b": { tier: "front" } },
    objects: [
      networkPolicy({
        podSelector: { matchExpressions: [{ key: "tier", operator: "DoesNotExist" }] },
        ingress: [
          {
            from: [
              {
                namespaceSelector: {},
                podSelector: { matchExpressions: [{ key: "tier", operator: "Exists" }] },
              },
            ],
          },
        ],
      }),
    ],
  },
  {
    sentence: "a label that a namespace gets makes its pods peers",
    namespaceLabels: { y: { team: "one" } },
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "one" } } }] }],
      }),
    ],
  },
  {
    sentence: "and when another namespace has it instead, its pods",
    namespaceLabels: { z: { team: "one" } },
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: "one" } } }] }],
      }),
    ],
  },
];

const portCases: Case[] = [
  {
    sentence: "one TCP port",
    objects: [networkPolicy({ podSelector: everyPod, ingress: [{ ports: [tcp(80)] }] })],
  },
  {
    sentence: "changed to one UDP port",
    objects: [networkPolicy({ podSelector: everyPod, ingress: [{ ports: [udp(81)] }] })],
  },
  {
    sentence: "a range, and a protocol without a port",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ ports: [{ protocol: "TCP", port: 79, endPort: 80 }, { protocol: "UDP" }] }],
      }),
    ],
  },
  {
    sentence: "named ports of the pod itself",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ ports: [tcp("serve-81-tcp"), udp("serve-80-udp"), tcp("serve-80-udp")] }],
      }),
    ],
  },
  {
    sentence: "named ports of the peers, which nodes and the world have not",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        policyTypes: ["Egress"],
        egress: [{ ports: [tcp("serve-80-tcp"), udp("serve-81-udp")] }],
      }),
    ],
  },
  {
    sentence: "ports of several rules with peers of their own",
    objects: [
      networkPolicy({
        podSelector: podA,
        ingress: [
          { from: [{ namespaceSelector: inNamespace("y") }], ports: [tcp(80)] },
          { from: [{ podSelector: everyPod }], ports: [udp(80), tcp(81)] },
        ],
      }),
    ],
  },
  {
    sentence: "egress of one end and ingress of the other must agree",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        policyTypes: ["Egress"],
        egress: [{ to: [{ namespaceSelector: inNamespace("y") }], ports: [tcp(80), udp(81)] }],
      }),
      networkPolicy({ podSelector: podB, ingress: [{ ports: [tcp(80), tcp(81)] }] }, "in", "y"),
    ],
  },
];

const addresses: Case[] = [
  {
    sentence: "an ipBlock is a pod's address, of either family",
    objects: (world) => [
      networkPolicy({
        podSelector: everyPod,
        policyTypes: ["Egress"],
        egress: [{ to: blocksOf(world, "y/b").map((cidr) => ({ ipBlock: { cidr } })) }],
      }),
    ],
  },
  {
    sentence: "a pod that comes back with another address is not in that block",
    renewed: ["y/b"],
    objects: (world) => [
      networkPolicy({
        podSelector: everyPod,
        policyTypes: ["Egress"],
        egress: [{ to: blocksOf(world, "y/a").map((cidr) => ({ ipBlock: { cidr } })) }],
      }),
    ],
  },
  {
    sentence: "`except` takes a pod out of all others and the world",
    objects: (world) => [
      networkPolicy({
        podSelector: everyPod,
        policyTypes: ["Egress"],
        egress: [
          {
            to: [
              { ipBlock: { cidr: "0.0.0.0/0", except: [`${addressOf(world, "z/a", 4)}/32`] } },
              { ipBlock: { cidr: "::/0", except: [`${addressOf(world, "z/b", 6)}/128`] } },
            ],
          },
        ],
      }),
    ],
  },
  {
    sentence: "what one rule excepts another allows, by label or by block, on ingress",
    objects: (world) => [
      networkPolicy({
        podSelector: podA,
        ingress: [
          {
            from: [
              {
                ipBlock: {
                  cidr: "10.244.0.0/16",
                  except: [`${addressOf(world, "y/b", 4)}/32`, `${addressOf(world, "z/b", 4)}/32`],
                },
              },
            ],
          },
          { from: [{ ipBlock: { cidr: `${addressOf(world, "y/b", 4)}/32` } }], ports: [tcp(80)] },
          { from: [{ namespaceSelector: inNamespace("z"), podSelector: podB }], ports: [udp(81)] },
        ],
      }),
    ],
  },
  {
    sentence: "Cilium's CIDR rules mean the world, however wide they are",
    objects: [cilium({ endpointSelector: {}, egress: [{ toCIDR: ["0.0.0.0/0", "::/0"] }] })],
  },
  {
    sentence:
      "a denied block wins over an allowed address inside it, and its exception does not deny",
    objects: [
      cilium({
        endpointSelector: podA,
        enableDefaultDeny: { egress: false },
        egressDeny: [{ toCIDR: ["203.0.113.0/24"] }],
        egress: [{ toCIDR: ["203.0.113.10"] }],
      }),
      cilium(
        {
          endpointSelector: podB,
          enableDefaultDeny: { egress: false },
          egressDeny: [
            { toCIDRSet: [{ cidr: "203.0.112.0/22", except: ["203.0.113.10/32"] }] },
            { toCIDRSet: [{ cidr: "2001:db8::/32" }] },
          ],
        },
        "except",
      ),
    ],
  },
  {
    sentence: "a group of blocks by name, and one that is not there",
    objects: [
      {
        apiVersion: "cilium.io/v2",
        kind: "CiliumCIDRGroup",
        metadata: { name: "partners" },
        spec: { externalCIDRs: ["203.0.113.0/24", "2001:db8:113::/48"] },
      },
      cilium({
        endpointSelector: podA,
        egress: [{ toCIDRSet: [{ cidrGroupRef: "partners", except: ["2001:db8:113::10/128"] }] }],
      }),
      cilium(
        { endpointSelector: podB, egress: [{ toCIDRSet: [{ cidrGroupRef: "nobody" }] }] },
        "missing",
      ),
    ],
  },
];

const ciliumCases: Case[] = [
  {
    sentence: "fromEndpoints [{}] is the namespace, and of other namespaces those that it names",
    objects: [
      cilium({
        endpointSelector: {},
        ingress: [
          { fromEndpoints: [{}] },
          {
            fromEndpoints: [
              { matchLabels: { "k8s:io.kubernetes.pod.namespace": "y", pod: "b" } },
              { matchLabels: { "k8s:io.cilium.k8s.namespace.labels.ns": "z", pod: "c" } },
            ],
            ...port("80", "ANY"),
          },
        ],
      }),
    ],
  },
  {
    sentence: "an empty list of peers is nobody, an empty rule isolates",
    objects: [
      cilium({ endpointSelector: podA, ingress: [{ fromEndpoints: [] }] }),
      cilium({ endpointSelector: podB, egress: [{}] }, "empty"),
    ],
  },
  {
    sentence: "a deny without ports wins over an allow with one",
    objects: [
      cilium({
        endpointSelector: {},
        ingress: [{ fromEntities: ["all"], ...port("80", "TCP") }],
        ingressDeny: [{ fromEndpoints: [{ matchLabels: { pod: "b" } }] }],
      }),
    ],
  },
  {
    sentence: "a deny of a range leaves the rest of an allow of everything",
    objects: [
      cilium({
        endpointSelector: {},
        egress: [{ toEntities: ["all"] }],
        egressDeny: [{ toEntities: ["cluster"], ...port("81", "TCP", 90) }],
      }),
    ],
  },
  {
    sentence: "a deny without default deny leaves everything else as it was",
    objects: [
      cilium({
        endpointSelector: {},
        enableDefaultDeny: { ingress: false },
        ingressDeny: [
          { fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "y" } }] },
        ],
      }),
    ],
  },
  {
    sentence: "and isolates after all when another policy does",
    objects: [
      cilium({
        endpointSelector: {},
        enableDefaultDeny: { ingress: false },
        ingressDeny: [
          { fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": "y" } }] },
        ],
      }),
      networkPolicy(
        {
          podSelector: podA,
          ingress: [{ from: [{ namespaceSelector: {}, podSelector: podB }] }],
        },
        "isolate",
      ),
    ],
  },
  {
    sentence: "clusterwide: some pods of every namespace, from every namespace",
    objects: [
      clusterwide({
        endpointSelector: podA,
        ingress: [{ fromEndpoints: [{ matchLabels: { pod: "c" } }] }],
        egress: [{ toEndpoints: [{}], ...port("80", "ANY") }],
      }),
    ],
  },
  {
    sentence: "entities: world, host, remote-node, cluster",
    objects: [
      cilium({ endpointSelector: podA, egress: [{ toEntities: ["world"] }] }, "world"),
      cilium({ endpointSelector: podB, egress: [{ toEntities: ["host"] }] }, "host"),
      cilium({ endpointSelector: podA, egress: [{ toEntities: ["remote-node"] }] }, "remote", "y"),
      cilium({ endpointSelector: podB, egress: [{ toEntities: ["cluster"] }] }, "cluster", "y"),
      cilium({ endpointSelector: {}, ingress: [{ fromEntities: ["remote-node"] }] }, "in", "z"),
    ],
  },
  {
    sentence: "other nodes by their labels, to and from",
    objects: [
      cilium({
        endpointSelector: podA,
        egress: [{ toNodes: [{ matchLabels: { "kubernetes.io/hostname": "node-2" } }] }],
      }),
      cilium(
        {
          endpointSelector: podB,
          ingress: [
            {
              fromNodes: [
                { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "Exists" }] },
              ],
              ...port("80", "ANY"),
            },
          ],
        },
        "from",
      ),
    ],
  },
  {
    sentence: "a deny wins over the own node's way in",
    objects: [cilium({ endpointSelector: podA, ingressDeny: [{ fromEntities: ["host"] }] })],
  },
  {
    sentence: "port 0 is every port of a protocol, ANY is no ICMP, icmps are",
    objects: [
      cilium({ endpointSelector: podA, ingress: [port("0", "UDP")] }),
      cilium({ endpointSelector: podB, ingress: [port("0", "ANY")] }, "any"),
      cilium(
        {
          endpointSelector: { matchLabels: { pod: "c" } },
          ingress: [
            {
              icmps: [{ fields: [{ type: 8 }, { family: "IPv6", type: "EchoRequest" }] }],
            },
          ],
        },
        "icmp",
      ),
    ],
  },
  {
    sentence:
      "a rule for a proxy that nobody has allows nothing, one beside it that needs none still does",
    objects: [
      cilium({
        endpointSelector: {},
        ingress: [
          {
            fromEndpoints: [{}],
            toPorts: [
              {
                ports: [{ port: "80", protocol: "TCP" }],
                rules: { l7proto: "memcache", l7: [{ command: "get" }] },
              },
            ],
          },
          { fromEndpoints: [{ matchLabels: { pod: "b" } }], ...port("80", "TCP") },
        ],
      }),
    ],
  },
  {
    sentence: "a service's pods",
    objects: [
      {
        apiVersion: "v1",
        kind: "Service",
        metadata: { name: "web", namespace: "y" },
        spec: { selector: { pod: "b" }, ports: [{ port: 80 }] },
      },
      cilium({
        endpointSelector: {},
        egress: [
          {
            toServices: [{ k8sService: { serviceName: "web", namespace: "y" } }],
            ...port("80", "ANY"),
          },
        ],
      }),
    ],
  },
];

const tiers: Case[] = [
  {
    sentence:
      "an administrator's Deny and Accept come before a namespace's policy, Pass leaves it to that",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: inNamespace("y") }] }],
      }),
      tiered({
        tier: "Admin",
        priority: 10,
        subject: { namespaces: {} },
        ingress: [
          {
            action: "Pass",
            from: [{ pods: { namespaceSelector: {}, podSelector: podB } }],
            protocols: [{ tcp: { destinationPort: { number: 80 } } }],
          },
          { action: "Deny", from: [{ namespaces: inNamespace("y") }] },
          { action: "Accept", from: [{ namespaces: inNamespace("z") }] },
        ],
      }),
    ],
  },
  {
    sentence: "of two administrators' policies the one with the lower number decides",
    objects: [
      tiered({
        tier: "Admin",
        priority: 20,
        subject: { namespaces: {} },
        egress: [{ action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] }],
      }),
      tiered(
        {
          tier: "Admin",
          priority: 10,
          subject: { namespaces: {} },
          egress: [
            { action: "Accept", to: [{ namespaces: inNamespace("x") }] },
            {
              action: "Pass",
              to: [{ namespaces: {} }],
              protocols: [{ udp: { destinationPort: { range: { start: 80, end: 81 } } } }],
            },
          ],
        },
        "first",
      ),
    ],
  },
  {
    sentence: "an administrator's Deny of nodes by label is about a pod's own node too",
    objects: [
      tiered({
        tier: "Admin",
        priority: 10,
        subject: { pods: { namespaceSelector: {}, podSelector: podA } },
        egress: [
          {
            action: "Deny",
            to: [{ nodes: { matchLabels: { "kubernetes.io/hostname": "node-1" } } }],
            protocols: [{ tcp: { destinationPort: { range: { start: 80, end: 81 } } } }],
          },
        ],
      }),
    ],
  },
  {
    sentence: "the baseline holds for pods that no policy isolates",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: inNamespace("y") }] }],
      }),
      tiered({
        tier: "Baseline",
        priority: 0,
        subject: { namespaces: {} },
        ingress: [
          { action: "Accept", from: [{ pods: { namespaceSelector: {}, podSelector: podA } }] },
          { action: "Deny", from: [{ namespaces: {} }] },
        ],
      }),
    ],
  },
  {
    sentence: "a policy in audit mode stops nothing, and opens nothing",
    objects: [
      {
        ...networkPolicy({
          podSelector: everyPod,
          ingress: [{ from: [{ namespaceSelector: inNamespace("y") }] }],
        }),
        metadata: {
          name: "policy",
          namespace: "x",
          annotations: { "policy.tsilium.io/enforcement": "audit" },
        },
      },
      networkPolicy({ podSelector: podB }, "enforced"),
    ],
  },
];

const namespaces: Case[] = [
  {
    sentence: "with a namespace its policies go; those of others hold",
    deletedNamespaces: ["z"],
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: inNamespace("z") }] }],
      }),
    ],
  },
  {
    sentence: "when it comes back, its pods are peers again, and its old policies do not",
    objects: [
      networkPolicy({
        podSelector: everyPod,
        ingress: [{ from: [{ namespaceSelector: inNamespace("z") }] }],
      }),
    ],
  },
];
/** In force when namespace z goes. */
const beforeDeletion: Case = {
  sentence: "a namespace denies its own ingress",
  objects: [
    networkPolicy({ podSelector: everyPod }, "deny", "z"),
    networkPolicy({
      podSelector: everyPod,
      ingress: [{ from: [{ namespaceSelector: inNamespace("z") }] }],
    }),
  ],
};

export const cases: readonly Case[] = [
  ...defaultDeny,
  ...peers,
  ...portCases,
  ...addresses,
  ...ciliumCases,
  ...tiers,
  beforeDeletion,
  ...namespaces,
];
