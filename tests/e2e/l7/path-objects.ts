// What the ways of paths.ts are made of: pods, services, and policies of either side.
import type { KubeObject } from "@tsilium/kube";
import { echoPod, echoPort, service } from "../services/service-objects.ts";

export const namespace = "l7p";
export const servers = { near: "node-1", far: "node-2" } as const;
export type Server = keyof typeof servers;
export const paths = { allowed: "/open", denied: "/closed" } as const;

export type Enforced = "ingress" | "egress" | "both";

export function pathObjects(): KubeObject[] {
  const pods = { ...servers, client: "node-1", away: "node-2" };
  return [
    ...Object.entries(pods).map(([name, node]) => echoPod({ name, namespace, node })),
    ...Object.keys(servers).flatMap((name) => [
      service(name, namespace, { type: "NodePort" }),
      service(`${name}-pods`, namespace, { clusterIP: "None", selector: { app: name } }),
    ]),
  ];
}

const http = { rules: { http: [{ method: "GET", path: paths.allowed }] } };
const toPorts = [{ ports: [{ port: String(echoPort), protocol: "TCP" }], ...http }];
const select = (app: string) => ({ matchLabels: { app } });
const bothServers = {
  matchExpressions: [{ key: "app", operator: "In", values: Object.keys(servers) }],
};
const toDns = {
  toEndpoints: [
    { matchLabels: { "k8s:io.kubernetes.pod.namespace": "kube-system", "k8s-app": "kube-dns" } },
  ],
  toPorts: [
    {
      ports: [{ port: "53", protocol: "ANY" }],
      rules: { dns: [{ matchPattern: `*.${namespace}.svc.cluster.local` }] },
    },
  ],
};

export function policiesOf(enforced: Enforced): KubeObject[] {
  const made = {
    ingress: policy("ingress", {
      endpointSelector: bothServers,
      ingress: [{ fromEntities: ["all"], toPorts }],
    }),
    egress: policy("egress", {
      endpointSelector: select("client"),
      egress: [{ toEndpoints: [bothServers], toPorts }, toDns],
    }),
  };
  return enforced === "both" ? [made.ingress, made.egress] : [made[enforced]];
}

export const awayPolicy = policy("away", { endpointSelector: select("away"), egress: [toDns] });

function policy(name: string, spec: object): KubeObject {
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name, namespace },
    spec,
  } as KubeObject;
}
