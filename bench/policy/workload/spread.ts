// Policies as clusters have them: ten kinds of them in every namespace, each about some of its apps.
import type {
  CiliumNetworkPolicy,
  CiliumRuleSpec,
  NetworkPolicy,
  NetworkPolicySpec,
} from "@tsilium/kube";
import { appName, appsPerNamespace, namespaceCount, namespaceName } from "./cluster.ts";

export type PolicyObject = NetworkPolicy | CiliumNetworkPolicy;

const namespaceKey = "k8s:io.kubernetes.pod.namespace";

/** `count` policies, spread over the namespaces. */
export function spreadPolicies(count: number): PolicyObject[] {
  return Array.from({ length: count }, (_, index) => {
    const namespace = index % namespaceCount;
    const make = kinds[Math.floor(index / namespaceCount) % kinds.length] as (typeof kinds)[number];
    return make({ namespace, name: `spread-${index}`, seed: index });
  });
}

type Place = { readonly namespace: number; readonly name: string; readonly seed: number };

const kinds: readonly ((place: Place) => PolicyObject)[] = [
  (place) => kubernetes(place, { podSelector: {}, policyTypes: ["Ingress"] }),
  (place) =>
    kubernetes(place, {
      podSelector: { matchLabels: { tier: "middle" } },
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { tier: "front" } } }],
          ports: [{ protocol: "TCP", port: 8080 }],
        },
      ],
    }),
  (place) =>
    kubernetes(place, {
      podSelector: { matchLabels: { tier: "front" } },
      ingress: [
        {
          from: [
            { ipBlock: { cidr: "203.0.113.0/24", except: [`203.0.113.${place.seed % 250}/32`] } },
          ],
          ports: [{ protocol: "TCP", port: 443 }],
        },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: { matchLabels: { app: appAt(place.seed) } },
      ingress: [
        {
          fromEndpoints: [
            { matchLabels: { app: appAt(place.seed + 7), [namespaceKey]: neighbour(place, 1) } },
          ],
          toPorts: [{ ports: [tcp(5432), tcp(5433)] }],
        },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: { matchLabels: { tier: "front" } },
      egress: [
        { toEntities: ["world"], toPorts: [{ ports: [tcp(443)] }] },
        { toEndpoints: [{}], toPorts: [{ ports: [{ port: "53", protocol: "UDP" }] }] },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: { matchLabels: { app: appAt(place.seed) } },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { tier: "back" } }],
          toPorts: [{ ports: [{ port: "30000", endPort: 30_999, protocol: "TCP" }] }],
        },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: {},
      ingressDeny: [
        {
          fromEndpoints: [{ matchLabels: { "k8s:io.cilium.k8s.namespace.labels.stage": "test" } }],
        },
      ],
    }),
  (place) =>
    kubernetes(place, {
      podSelector: { matchLabels: { tier: "back" } },
      policyTypes: ["Egress"],
      egress: [
        {
          to: [{ namespaceSelector: { matchLabels: { stage: "production" } } }],
          ports: [{ protocol: "TCP", port: 6379 }],
        },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: { matchLabels: { app: appAt(place.seed) } },
      egress: [
        {
          toCIDRSet: [
            {
              cidr: `198.51.${place.seed % 250}.0/24`,
              except: [`198.51.${place.seed % 250}.8/29`],
            },
          ],
          toPorts: [{ ports: [tcp(8443)] }],
        },
      ],
    }),
  (place) =>
    cilium(place, {
      endpointSelector: {},
      ingress: [
        { fromEntities: ["host"] },
        { fromEndpoints: [{}], icmps: [{ fields: [{ type: 8, family: "IPv4" }] }] },
      ],
    }),
];

function tcp(port: number) {
  return { port: String(port), protocol: "TCP" };
}

function appAt(seed: number): string {
  return appName((seed * 7) % appsPerNamespace);
}

function neighbour({ namespace }: Place, distance: number): string {
  return namespaceName((namespace + distance) % namespaceCount);
}

function kubernetes(place: Place, spec: NetworkPolicySpec): NetworkPolicy {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", ...named(place), spec };
}

function cilium(place: Place, spec: CiliumRuleSpec): CiliumNetworkPolicy {
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", ...named(place), spec };
}

function named({ namespace, name }: Place) {
  return {
    metadata: { namespace: namespaceName(namespace), name },
  };
}
