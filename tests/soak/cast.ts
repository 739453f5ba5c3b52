// Who stays: pods of four roles on every node, the policies they are under, and their service.
//
//   guest     speaks with guests and servers          stranger  denied by the servers' policy
//   server    hears guests, and the world at 8080     caged     may speak to nobody, by its own policy
import assert from "node:assert/strict";
import type { KubeObject, Pod } from "@tsilium/kube";
import { echoPod, echoPort, service } from "../e2e/services/service-objects.ts";
import type { Cluster } from "./cluster.ts";

export const home = "staying";
export const roles = ["guest", "server", "stranger", "caged"] as const;
export type Role = (typeof roles)[number];
export const families = ["ipv4", "ipv6"] as const;
export type Family = (typeof families)[number];

/** Of servers, and of guests where it is said so. */
export const ports = {
  /** Flows, from here on; a port for each that a pod serves. */
  flows: 7100,
  lastFlow: 7199,
  /** Guests may. */
  knocks: 7300,
  /** Strangers are denied it, whatever else allows it from time to time. */
  denied: 7301,
  /** Nobody is allowed it. */
  closed: 7302,
  /** Guests' own: the caged would speak to it. */
  caged: 7303,
} as const;

/** A pod that stays, as it runs. */
export type Member = Readonly<Record<Family, string>> & {
  readonly name: string;
  readonly role: Role;
  readonly node: string;
  readonly uid: string;
  /** Its container's first process. */
  readonly pid: number;
};

export class Cast {
  readonly members: readonly Member[];

  private constructor(members: readonly Member[]) {
    this.members = members;
  }

  /** Makes them and waits until they run. */
  static async enter(cluster: Cluster): Promise<Cast> {
    await cluster.create(namespaceObject(home, {}));
    for (const policy of policies()) await cluster.create(policy);
    for (const node of cluster.nodes)
      for (const role of roles)
        await cluster.create(
          echoPod({ name: nameOf(role, node), namespace: home, node, labels: { role } }),
        );
    await cluster.create(shop);
    await cluster.lab.wait(home);
    await cluster.converge();
    const pods = (await cluster.pods()).filter(({ metadata }) => metadata.namespace === home);
    return new Cast(pods.map(memberOf));
  }

  of(role: Role, node: string): Member {
    const found = this.members.find((each) => each.role === role && each.node === node);
    assert.ok(found, `no ${role} on ${node}`);
    return found;
  }
}

export const shop = service("shop", home, { type: "NodePort", selector: { role: "server" } });

export function namespaceObject(name: string, labels: Readonly<Record<string, string>>) {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } } as KubeObject;
}

export function policyObject(
  kind: "NetworkPolicy" | "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy",
  metadata: { readonly name: string; readonly namespace?: string },
  spec: object,
): KubeObject {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return { apiVersion, kind, metadata, spec } as KubeObject;
}

/** `{ matchLabels }` of a role. */
export function roleIs(role: Role) {
  return { matchLabels: { role } };
}

function policies(): KubeObject[] {
  const both = (port: number, endPort?: number) =>
    ["TCP", "UDP"].map((protocol) => ({ port, protocol, ...(endPort ? { endPort } : {}) }));
  const served = [...both(ports.flows, ports.knocks), ...both(echoPort)];
  const anybody = [{ ports: [{ port: String(echoPort), protocol: "ANY" }] }];
  return [
    policyObject(
      "NetworkPolicy",
      { name: "servers-hear-guests", namespace: home },
      {
        podSelector: roleIs("server"),
        policyTypes: ["Ingress"],
        ingress: [{ from: [{ podSelector: roleIs("guest") }], ports: served }],
      },
    ),
    policyObject(
      "CiliumNetworkPolicy",
      { name: "servers-hear-the-world", namespace: home },
      {
        endpointSelector: roleIs("server"),
        ingress: [{ fromEntities: ["world", "remote-node", "host"], toPorts: anybody }],
      },
    ),
    policyObject(
      "CiliumNetworkPolicy",
      { name: "servers-deny-strangers", namespace: home },
      {
        endpointSelector: roleIs("server"),
        ingressDeny: [{ fromEndpoints: [roleIs("stranger")] }],
      },
    ),
    policyObject(
      "NetworkPolicy",
      { name: "cage", namespace: home },
      { podSelector: roleIs("caged"), policyTypes: ["Egress"], egress: [] },
    ),
  ];
}

function nameOf(role: Role, node: string): string {
  return `${role}-${node.slice("node-".length)}`;
}

function memberOf({ metadata, spec, status }: Pod): Member {
  const { name = "", uid = "", labels } = metadata;
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip);
  const id = status?.containerStatuses?.[0]?.containerID;
  const pid = Number(/^tsilium-lab:\/\/(\d+)-/.exec(id ?? "")?.[1]);
  assert.ok(pid > 0, `${name} has container ${id}`);
  return {
    name,
    uid,
    pid,
    role: labels?.["role"] as Role,
    node: spec.nodeName ?? "",
    ipv4: addresses.find((address) => !address.includes(":")) ?? "",
    ipv6: addresses.find((address) => address.includes(":")) ?? "",
  };
}
