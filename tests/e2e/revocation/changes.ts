// What lets the flows of the revocation tests be, and every way of taking that back.
import type { KubeObject } from "@tsilium/kube";
import type { LabObjects } from "../lab-objects.ts";
import type { Change } from "./flips.ts";

export const namespace = "revoke";

const client = { matchLabels: { role: "client" } };
const servers = { matchLabels: { role: "server" } };
const pulsePorts = [{ port: "7001", endPort: 7002, protocol: "ANY" }];

type Kind = "NetworkPolicy" | "CiliumNetworkPolicy";

function policy(kind: Kind, name: string, spec: object): KubeObject {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return { apiVersion, kind, metadata: { name, namespace }, spec } as KubeObject;
}

export function pod(name: string, fields: { node: string; role: string }): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels: { role: fields.role } },
    spec: {
      nodeName: fields.node,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "idle", image: "none", command: ["sleep", "infinity"] }],
    },
  } as KubeObject;
}

const hearsClient = {
  endpointSelector: servers,
  ingress: [{ fromEndpoints: [client], toPorts: [{ ports: pulsePorts }] }],
};
const serversPolicy = policy("CiliumNetworkPolicy", "servers", hearsClient);
const clientPolicy = policy("NetworkPolicy", "client", {
  podSelector: client,
  policyTypes: ["Ingress", "Egress"],
  egress: [{ to: [{ podSelector: servers }] }],
});

/** Servers hear the client on the pulses' ports; the client speaks to servers, and hears only answers. */
export const base: readonly KubeObject[] = [serversPolicy, clientPolicy];

export function policyChanges(objects: LabObjects): Change[] {
  const coming = (sentence: string, object: KubeObject): Change => ({
    sentence,
    deny: () => objects.create(object),
    allow: () => objects.delete(object),
  });
  const narrowed = (sentence: string, ingress: object): Change => ({
    sentence,
    deny: () => objects.patch(serversPolicy, { spec: { ingress: [ingress] } }),
    allow: () => objects.patch(serversPolicy, { spec: hearsClient }),
  });
  return [
    narrowed("the servers' ports change", {
      fromEndpoints: [client],
      toPorts: [{ ports: [{ port: "9", protocol: "ANY" }] }],
    }),
    coming("the client is denied by a rule", {
      ...policy("CiliumNetworkPolicy", "deny-client", {
        endpointSelector: servers,
        ingressDeny: [{ fromEndpoints: [client] }],
      }),
    }),
    narrowed("the servers' peers change", { fromEndpoints: [servers] }),
    {
      sentence: "the client may speak to others",
      deny: () =>
        objects.patch(clientPolicy, { spec: { egress: [{ to: [{ podSelector: client }] }] } }),
      allow: () =>
        objects.patch(clientPolicy, { spec: { egress: [{ to: [{ podSelector: servers }] }] } }),
    },
    coming("an administrator denies it", {
      apiVersion: "policy.networking.k8s.io/v1alpha2",
      kind: "ClusterNetworkPolicy",
      metadata: { name: "deny-all" },
      spec: {
        tier: "Admin",
        priority: 1,
        subject: { namespaces: {} },
        egress: [{ action: "Deny", to: [{ namespaces: {} }] }],
      },
    } as KubeObject),
    coming("the client is denied every server", {
      ...policy("CiliumNetworkPolicy", "deny-servers", {
        endpointSelector: client,
        egressDeny: [{ toEntities: ["cluster"] }],
      }),
    }),
  ];
}

/** Pods whose labels change, and back. */
export function labelChanges(
  objects: LabObjects,
  pods: Record<"client" | "near" | "far", KubeObject>,
) {
  const relabelled = (sentence: string, changed: readonly KubeObject[], role: string): Change => {
    const become = (to: string) => async () => {
      await Promise.all(
        changed.map((each) => objects.patch(each, { metadata: { labels: { role: to } } })),
      );
    };
    return { sentence, deny: become("stranger"), allow: become(role) };
  };
  return [
    relabelled("the client has another label", [pods.client], "client"),
    relabelled("the servers have another label", [pods.near, pods.far], "server"),
  ];
}
