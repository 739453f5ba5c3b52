// Many rules on one pod: each about other peers and ports, so that none is like another, and the one that counts
// comes last.
import type {
  CiliumEgressRule,
  CiliumIngressRule,
  CiliumNetworkPolicy,
  LabelSelector,
} from "@tsilium/kube";
import { type App, appOf, appsPerNamespace, namespaceCount } from "./cluster.ts";

export type Crowd = {
  readonly namespace: string;
  /** First part of every policy's name. */
  readonly name: string;
  readonly selector: LabelSelector;
  /** In each direction. */
  readonly rules: number;
  readonly rulesPerPolicy: number;
  /** What the last rule lets in and out. */
  readonly allowed: {
    readonly ingress: CiliumIngressRule;
    readonly egress: CiliumEgressRule;
  };
};

/** Policies with `rules` ingress and as many egress rules. */
export function crowdPolicies(crowd: Crowd): CiliumNetworkPolicy[] {
  const { namespace, name, selector, rules, rulesPerPolicy, allowed } = crowd;
  const policies = Math.ceil(rules / rulesPerPolicy);
  return Array.from({ length: policies }, (_, policy) => {
    const first = policy * rulesPerPolicy;
    const numbers = Array.from(
      { length: Math.min(rulesPerPolicy, rules - first) },
      (_, index) => first + index,
    );
    const last = rules - 1;
    return {
      apiVersion: "cilium.io/v2",
      kind: "CiliumNetworkPolicy",
      metadata: { namespace, name: `${name}-${policy}` },
      spec: {
        endpointSelector: selector,
        ingress: numbers.map((rule) => (rule === last ? allowed.ingress : ingressRule(rule))),
        egress: numbers.map((rule) => (rule === last ? allowed.egress : egressRule(rule))),
      },
    };
  });
}

/** Of ten rules seven name an app, one a tier of a namespace, one a range of ports, one addresses. */
type RulePeer =
  | { readonly kind: "endpoints"; readonly selector: LabelSelector }
  | { readonly kind: "cidr"; readonly prefix: string };

function ingressRule(rule: number): CiliumIngressRule {
  const peer = peerOf(rule);
  const toPorts = [{ ports: [portOf(rule)] }];
  return peer.kind === "cidr"
    ? { fromCIDR: [peer.prefix], toPorts }
    : { fromEndpoints: [peer.selector], toPorts };
}

function egressRule(rule: number): CiliumEgressRule {
  const peer = peerOf(rule);
  const toPorts = [{ ports: [portOf(rule)] }];
  return peer.kind === "cidr"
    ? { toCIDR: [peer.prefix], toPorts }
    : { toEndpoints: [peer.selector], toPorts };
}

function peerOf(rule: number): RulePeer {
  const app = appOf((rule * 7) % (namespaceCount * appsPerNamespace));
  if (rule % 10 === 9)
    return { kind: "cidr", prefix: `198.${18 + (rule % 2)}.${Math.floor(rule / 10) % 250}.0/24` };
  return { kind: "endpoints", selector: selectorOf(app, rule % 10 === 8 ? "tier" : "app") };
}

/** One app, or a third of its namespace. */
function selectorOf({ podLabels, namespace }: App, key: "app" | "tier"): LabelSelector {
  const value = podLabels[key] as string;
  return { matchLabels: { [key]: value, "k8s:io.kubernetes.pod.namespace": namespace } };
}

function portOf(rule: number) {
  const port = 2000 + (rule % 5000);
  if (rule % 10 === 7)
    return { port: "30000", endPort: 30_000 + (rule % 1000) + 1, protocol: "TCP" };
  return { port: String(port), protocol: "TCP" };
}
