// Addresses and ports that a service may not put itself at, whatever its object says: anybody who may create a Service
// could take over what others listen on there (CVE-2020-8554).
import { type Address, Prefix, PrefixTrie } from "@tsilium/net";
import type { NodeFacts, ServiceProtocol } from "../model.ts";
import type { DecideContext } from "./context.ts";

/**
 * What listens on nodes' addresses in every cluster: etcd, cilium-health, Hubble, API server, kubelet, kube-proxy's healthz,
 * controller manager, scheduler.
 */
const nodePorts: ReadonlySet<number> = new Set([
  2379, 2380, 4240, 4244, 6443, 10_250, 10_256, 10_257, 10_259,
]);

/** Why no external IP, load balancer or redirect may have the address at all; undefined: it may. */
export function addressRefusal(address: Address, { facts }: DecideContext): string | undefined {
  const [podCidr] = podCidrsOf(facts).covering(Prefix.host(address));
  return podCidr && `${address} is in ${podCidr}, where pods get their addresses from`;
}

const tries = new WeakMap<readonly Prefix[], PrefixTrie<Prefix>>();

/** A thousand nodes have a thousand pod CIDRs, and a service can name thousands of addresses. */
function podCidrsOf({ podCidrs }: NodeFacts): PrefixTrie<Prefix> {
  const known = tries.get(podCidrs);
  if (known) return known;
  const trie = new PrefixTrie<Prefix>();
  for (const prefix of podCidrs) trie.set(prefix, prefix);
  tries.set(podCidrs, trie);
  return trie;
}

/** Why not that port of it. */
export function portRefusal(
  at: { readonly address: Address; readonly port: number; readonly protocol: ServiceProtocol },
  { facts, settings }: DecideContext,
): string | undefined {
  const { address, port } = at;
  if (facts.apiServers.some((server) => server.port === port && server.address.equals(address)))
    return `an API server listens at ${address} port ${port}`;
  if (!facts.clusterAddresses.has(`${address}`)) return undefined;
  if (nodePorts.has(port)) return `${address} is a node, whose port ${port} is the cluster's own`;
  const [first, last] = settings.nodePortRange;
  return port >= first && port <= last
    ? `${address} is a node, whose ports from ${first} to ${last} are NodePorts`
    : undefined;
}
