// Pods of real nodes: the shipped programs, two nodes, pods on the same node and on different ones.
import type { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import type { Variant } from "./variant.ts";

type PodNumber = 1 | 2 | 3 | 4;

/** From pod 1 to another: 2 shares its node, 3 does not. */
export function betweenPods(cluster: TestCluster, name: string, server: PodNumber): Variant {
  const { ipv4, ipv6, netns } = cluster.pod(server);
  return {
    name,
    clientNetns: cluster.pod(1).netns,
    serverNetns: netns,
    serverAddress: { IPv4: ipv4, IPv6: ipv6 },
  };
}
