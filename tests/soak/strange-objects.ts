// Objects that come and go: policies about pods that come and go and about those that stay (which change nothing that flows
// already), and nodes that nobody is.
import type { CiliumNode, KubeObject, Node } from "@tsilium/kube";
import type { Random } from "@tsilium/testkit";
import { echoPort } from "../e2e/services/service-objects.ts";
import { home, policyObject, ports, roleIs } from "./cast.ts";

export const apps = ["a", "b", "c"] as const;
export const teams = ["red", "blue"] as const;

const roomsOf = (team: string) => ({
  matchLabels: { "k8s:io.cilium.k8s.namespace.labels.team": team },
});
const appIs = (app: string) => ({ matchLabels: { app } });
const tcp = (...numbers: number[]) => [
  { ports: numbers.map((port) => ({ port: String(port), protocol: "ANY" })) },
];

/** A policy at random. @param room a namespace whose pods come and go */
export function randomPolicy(random: Random, name: string, room: string): KubeObject {
  const [app, other] = [random.pick(apps), random.pick(apps)];
  const inRoom = { name, namespace: room };
  const atHome = { name, namespace: home };
  return random.pick([
    () =>
      policyObject("NetworkPolicy", inRoom, {
        podSelector: appIs(app),
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: appIs(other) }], ports: [{ port: echoPort }] }],
      }),
    () =>
      policyObject("CiliumNetworkPolicy", inRoom, {
        endpointSelector: appIs(app),
        egress: [{ toEntities: ["cluster"] }, { toCIDR: [randomPrefix(random)] }],
      }),
    () =>
      policyObject(
        "CiliumClusterwideNetworkPolicy",
        { name },
        {
          endpointSelector: { matchLabels: { app, ...roomsOf(random.pick(teams)).matchLabels } },
          ingressDeny: [{ fromEndpoints: [appIs(other)] }],
        },
      ),
    // Servers that stay hear others too.
    () =>
      policyObject("CiliumNetworkPolicy", atHome, {
        endpointSelector: roleIs("server"),
        ingress: [{ fromEndpoints: [roomsOf(random.pick(teams))], toPorts: tcp(echoPort) }],
      }),
    () =>
      policyObject("CiliumNetworkPolicy", atHome, {
        endpointSelector: roleIs("server"),
        ingressDeny: [{ fromEndpoints: [roomsOf(random.pick(teams))] }],
      }),
    // It allows strangers what another one denies them: that one stays in force.
    () =>
      policyObject("CiliumNetworkPolicy", atHome, {
        endpointSelector: roleIs("server"),
        ingress: [{ fromEndpoints: [{}], toPorts: tcp(ports.denied, echoPort) }],
      }),
  ])();
}

function randomPrefix(random: Random): string {
  return `198.51.100.${random.below(256)}/32`;
}

/** The Node, and what its agent would write. The operator removes that one with the Node. */
export function strangeNode(number: number): readonly [Node, CiliumNode] {
  const name = `strange-${number}`;
  // Nobody has these addresses: the fabric's nodes are few.
  const addresses = [`172.18.0.${number}`, `fc00:18::${number.toString(16)}`].map((ip) => ({
    type: "InternalIP",
    ip,
  }));
  const node = { apiVersion: "v1", kind: "Node", metadata: { name }, spec: {} };
  const ciliumNode = {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNode",
    metadata: { name },
    spec: { addresses },
  };
  return [node as Node, ciliumNode as CiliumNode];
}
