// Rows as the REST API shows them: plain JSON, stable names. What a client may rely on is here.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Identity } from "@tsilium/identity/model.ts";
import type { ExplainedClaim, IpcacheClaim, IpcacheRow } from "@tsilium/ipcache/model.ts";
import type { Node } from "@tsilium/node/model.ts";

export type EndpointView = {
  readonly id: number;
  readonly state: string;
  readonly identity: { readonly id: number; readonly labels: readonly string[] };
  readonly addressing: { readonly ipv4?: string; readonly ipv6?: string };
  /** Absent for a container that is no pod. */
  readonly pod?: { readonly namespace: string; readonly name: string; readonly uid: string };
  readonly interface: {
    readonly name: string;
    readonly ifindex: number;
    readonly mac: string;
    readonly hostMac: string;
  };
  readonly container: {
    readonly id: string;
    readonly interface: string;
    readonly netns: string;
    readonly network: string;
  };
  /** Absent while it has none. */
  readonly policy?: {
    readonly subject: number;
    readonly ingress: string;
    readonly egress: string;
  };
  readonly createdAt: string;
};

export function endpointView(endpoint: Endpoint): EndpointView {
  const { namespace, podName: name, podUid: uid, policy } = endpoint;
  return {
    id: endpoint.id,
    state: endpoint.state,
    identity: { id: endpoint.identity, labels: endpoint.labels.toArray() },
    addressing: {
      ...(endpoint.ipv4 ? { ipv4: endpoint.ipv4.toString() } : {}),
      ...(endpoint.ipv6 ? { ipv6: endpoint.ipv6.toString() } : {}),
    },
    ...(name === "" ? {} : { pod: { namespace, name, uid } }),
    interface: {
      name: endpoint.interfaceName,
      ifindex: endpoint.ifindex,
      mac: endpoint.mac.toString(),
      hostMac: endpoint.nodeMac.toString(),
    },
    container: {
      id: endpoint.containerId,
      interface: endpoint.containerInterface,
      netns: endpoint.netns,
      network: endpoint.network,
    },
    ...(policy
      ? { policy: { subject: policy.subject, ingress: policy.ingress, egress: policy.egress } }
      : {}),
    createdAt: endpoint.createdAt,
  };
}

export type IdentityView = {
  readonly id: number;
  readonly labels: readonly string[];
  readonly reserved: boolean;
};

export function identityView({ id, labels, reserved }: Identity): IdentityView {
  return { id, labels: labels.toArray(), reserved };
}

export type ClaimView = {
  readonly prefix: string;
  readonly identity: number;
  readonly source: string;
  readonly owner: string;
  readonly hostIp?: string;
  readonly pod?: { readonly namespace: string; readonly name: string };
};
export type IpView = ClaimView & { readonly claims: number };
/** `lostTo` says why a claim does not decide; absent for the one that does. */
export type ExplainedClaimView = ClaimView & { readonly wins: boolean; readonly lostTo?: string };

function claimView(claim: IpcacheClaim): ClaimView {
  const { namespace, podName: name } = claim;
  return {
    prefix: claim.prefix.toString(),
    identity: claim.identity,
    source: claim.source,
    owner: claim.owner,
    ...(claim.hostIp ? { hostIp: claim.hostIp.toString() } : {}),
    ...(namespace !== undefined && name !== undefined ? { pod: { namespace, name } } : {}),
  };
}

export function explainedClaimView(claim: ExplainedClaim): ExplainedClaimView {
  const { wins, lostTo } = claim;
  return { ...claimView(claim), wins, ...(lostTo === undefined ? {} : { lostTo }) };
}

export function ipView(row: IpcacheRow): IpView {
  return { ...claimView(row), claims: row.claims };
}

export type NodeView = {
  readonly name: string;
  readonly local: boolean;
  readonly addresses: readonly {
    readonly type: "InternalIP" | "CiliumInternalIP";
    readonly ip: string;
  }[];
  readonly podCIDRs: readonly string[];
};

export function nodeView(node: Node): NodeView {
  const addresses = [
    { type: "InternalIP" as const, ip: node.ipv4 },
    { type: "InternalIP" as const, ip: node.ipv6 },
    { type: "CiliumInternalIP" as const, ip: node.routerIpv4 },
    { type: "CiliumInternalIP" as const, ip: node.routerIpv6 },
  ];
  return {
    name: node.name,
    local: node.local,
    addresses: addresses.flatMap(({ type, ip }) => (ip ? [{ type, ip: ip.toString() }] : [])),
    podCIDRs: node.podCidrs.map(String),
  };
}
