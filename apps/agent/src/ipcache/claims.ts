// What this agent says of addresses: who has them, behind which node. Pure; `keeper.ts` hands it in.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { ReservedIdentity } from "@tsilium/identity/model.ts";
import { HostAddresses } from "@tsilium/ipcache";
import type { IpcacheClaim } from "@tsilium/ipcache/model.ts";
import type { CiliumEndpoint } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";

/** A pod of this node. Nothing once it goes away or while it has no identity. */
export function endpointClaims(endpoint: Endpoint): IpcacheClaim[] {
  const { state, identity, namespace, podName } = endpoint;
  const leaving = state === "disconnecting" || state === "disconnected" || state === "invalid";
  if (identity === 0 || leaving) return [];
  return [endpoint.ipv4, endpoint.ipv6].flatMap((address) =>
    address === undefined
      ? []
      : [
          {
            prefix: Prefix.host(address),
            source: "local" as const,
            owner: `endpoint/${endpoint.id}`,
            ownerUid: podName === "" ? endpoint.containerId : endpoint.podUid,
            identity,
            hostIp: undefined,
            ...(podName === "" ? {} : { namespace, podName }),
          },
        ],
  );
}

/**
 * A pod of another node. Nothing for an object that is not filled in yet, or that speaks of this node.
 * @param hostAddresses so that all pods of a node share its address
 */
export function remoteEndpointClaims(
  object: CiliumEndpoint,
  localAddresses: readonly Address[],
  hostAddresses: HostAddresses = new HostAddresses(),
): IpcacheClaim[] {
  const { namespace, name: podName, uid, ownerReferences } = object.metadata;
  const { identity, networking } = object.status ?? {};
  const hostIp = hostAddresses.of(networking?.node ?? "");
  if (!identity || !networking || !hostIp || !namespace || !podName) return [];
  if (localAddresses.some((address) => address.equals(hostIp))) return [];
  // The object outlives its pod for a while, and may go on to the next of its name: whose it is it says itself.
  const ownerUid = ownerReferences?.find(({ kind }) => kind === "Pod")?.uid ?? uid ?? "";
  return networking.addressing.flatMap(({ ipv4, ipv6 }) =>
    [ipv4, ipv6].flatMap((text) => {
      const address = Address.tryParse(text ?? "");
      if (!address) return [];
      return [
        {
          prefix: Prefix.host(address),
          source: "custom-resource" as const,
          owner: `ciliumendpoint/${namespace}/${podName}`,
          ownerUid,
          identity: identity.id,
          hostIp,
          namespace,
          podName,
        },
      ];
    }),
  );
}

/**
 * A node: its own addresses have its identity; another node's pod CIDRs lead to it for pods whose CiliumEndpoint has
 * not come yet. Its health endpoint is no pod, and nobody publishes a CiliumEndpoint of it; this node's own is an endpoint
 * like others. Pods not heard of are unmanaged: of the cluster, and so never what a rule means that speaks of the world.
 */
export function nodeClaims(node: Node, identity: number): IpcacheClaim[] {
  const owner = `node/${node.name}`;
  const source = node.local ? ("local" as const) : ("custom-resource" as const);
  const own = (
    address: Address | undefined,
    hostIp: Address | undefined,
    id: number,
  ): IpcacheClaim[] =>
    address === undefined
      ? []
      : [{ prefix: Prefix.host(address), source, owner, identity: id, hostIp }];
  const host = (address: Address | undefined, hostIp: Address | undefined) =>
    own(address, hostIp, identity);
  // One underlay address carries the tunnel of both families.
  const underlay = node.ipv4 ?? node.ipv6;
  const behind = node.local ? undefined : underlay;
  return [
    ...host(node.ipv4, undefined),
    ...host(node.ipv6, undefined),
    ...host(node.routerIpv4, behind),
    ...host(node.routerIpv6, behind),
    ...(node.local
      ? []
      : [node.healthIpv4, node.healthIpv6].flatMap((address) =>
          own(address, behind, ReservedIdentity.health),
        )),
    ...(node.local
      ? []
      : node.podCidrs.map((prefix) => ({
          prefix,
          source: "generated" as const,
          owner,
          identity: ReservedIdentity.unmanaged,
          hostIp: underlay,
        }))),
  ];
}

/** Where the API server is although no node of the cluster has the address. Whoever else has it knows better. */
export function apiServerClaim(address: Address, identity: number): IpcacheClaim {
  return {
    prefix: Prefix.host(address),
    source: "kubernetes",
    owner: apiServerOwner,
    identity,
    hostIp: undefined,
  };
}

export const apiServerOwner = "service/default/kubernetes";
