// How many rules hold the two pods of the packet bench: none to 10,000 in each direction. Per amount there is a client
// and a server, told apart by a label; all of them live in one cluster of 6,000 identities.
import type { PolicyInput } from "../../../apps/agent/src/policy/inputs/model.ts";
import type { WantedSubject } from "../../../apps/agent/src/policy/model.ts";
import { a, b, identities } from "../../../bpf/tests/world.ts";
import { addressInput, identityInput, identityOf, policyInput, subjectOf } from "../enforcer.ts";
import { apps } from "../workload/cluster.ts";
import { crowdPolicies } from "../workload/crowd.ts";
import type { PolicyObject } from "../workload/spread.ts";

export type Amount = {
  readonly sentence: string;
  /** In each direction. */
  readonly rules: number;
  /** All ways of looking something up come up, and the rule that allows is the last that is found. */
  readonly worst?: true;
};

export const amounts: readonly Amount[] = [
  { sentence: "no policy", rules: 0 },
  { sentence: "1 rule", rules: 1 },
  { sentence: "100 rules", rules: 100 },
  { sentence: "1,000 rules", rules: 1000 },
  { sentence: "10,000 rules", rules: 10_000 },
  { sentence: "1,000 rules, longest way", rules: 1000, worst: true },
];

/** Of the server. Only `open` and `closedByServer` are let out by the client's policy. */
export const ports = { open: 40_000, closedByServer: 81, closedByClient: 82 } as const;

export type Role = "client" | "server";

const namespace = "bench";
const namespaceLabels = { "kubernetes.io/metadata.name": namespace };

/** Everything there is, but the subjects. */
export function clusterInputs(): PolicyInput[] {
  const pods = [
    [a, identities.a],
    [b, identities.b],
  ] as const;
  return [
    ...apps().map(identityInput),
    identityOf(identities.a, labelsOf("client").labels),
    identityOf(identities.b, labelsOf("server").labels),
    ...pods.flatMap(([pod, identity]) => [
      addressInput(`${pod[4]}/32`, identity),
      addressInput(`${pod[6]}/128`, identity),
    ]),
    ...amounts.flatMap(policiesOf).map(policyInput),
  ];
}

export function subjectNumber(role: Role, amount: Amount): number {
  return 10 + 2 * amounts.indexOf(amount) + (role === "server" ? 1 : 0);
}

/** What a pod under this many rules is held to. */
export function subjectUnder(role: Role, amount: Amount): WantedSubject {
  return labelsOf(role, { under: nameOf(amount) });
}

function labelsOf(role: Role, more: Readonly<Record<string, string>> = {}): WantedSubject {
  const identity = role === "client" ? identities.a : identities.b;
  return subjectOf({ identity, namespace, namespaceLabels, podLabels: { app: role, ...more } });
}

function nameOf({ rules, worst }: Amount): string {
  return `rules-${rules}${worst ? "-worst" : ""}`;
}

function policiesOf(amount: Amount): PolicyObject[] {
  if (amount.rules === 0) return [];
  const selector = { matchLabels: { under: nameOf(amount) } };
  // Half of all ports are one prefix of one bit, which is tried after the longer ones.
  const open = amount.worst ? { port: "32768", endPort: 65_535 } : { port: String(ports.open) };
  const allowed = (...other: { readonly port: string }[]) => [{ ports: [open, ...other].map(tcp) }];
  return [
    ...crowdPolicies({
      namespace,
      name: nameOf(amount),
      selector,
      rules: amount.rules,
      rulesPerPolicy: 10,
      allowed: {
        ingress: { fromEndpoints: [{ matchLabels: { app: "client" } }], toPorts: allowed() },
        egress: {
          toEndpoints: [{ matchLabels: { app: "server" } }],
          toPorts: allowed({ port: String(ports.closedByServer) }),
        },
      },
    }),
    ...(amount.worst ? [everyLength(nameOf(amount)), byAddress(nameOf(amount))] : []),
  ];
}

/** Has port prefixes of every length there is, 16 bits to none. */
function everyLength(under: string): PolicyObject {
  const toPorts = [{ ports: [{ port: "1", endPort: 65_535 }, { port: "0" }].map(tcp) }];
  const stranger = [{ matchLabels: { app: "stranger" } }];
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { namespace, name: `${under}-lengths` },
    spec: {
      endpointSelector: { matchLabels: { under } },
      ingress: [{ fromEndpoints: stranger, toPorts }],
      egress: [{ toEndpoints: stranger, toPorts }],
    },
  };
}

/** Kubernetes' blocks of addresses are about pods too: each peer's address is looked up. */
function byAddress(under: string): PolicyObject {
  const peers = ["10.0.0.0/8", "fd00::/8"].map((cidr) => ({ ipBlock: { cidr } }));
  const policyPorts = [{ protocol: "TCP", port: 9 }] as const;
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { namespace, name: `${under}-blocks` },
    spec: {
      podSelector: { matchLabels: { under } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [{ from: peers, ports: policyPorts }],
      egress: [{ to: peers, ports: policyPorts }],
    },
  };
}

function tcp<Port extends object>(port: Port): Port & { readonly protocol: "TCP" } {
  return { ...port, protocol: "TCP" };
}
