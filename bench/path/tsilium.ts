// Pods of real nodes: the shipped programs. Pods 1 and 2 are on one node, 3 and 4 on another.
import type { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import type { Variant } from "./variant.ts";

/** From one pod to another, by their numbers. */
export function betweenPods(
  cluster: TestCluster,
  name: string,
  [client, server]: readonly [number, number],
): Variant {
  const { ipv4, ipv6, netns } = cluster.pod(server);
  return {
    name,
    clientNetns: cluster.pod(client).netns,
    serverNetns: netns,
    serverAddress: { IPv4: ipv4, IPv6: ipv6 },
  };
}
