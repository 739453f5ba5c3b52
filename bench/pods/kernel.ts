// The part of an ADD that the kernel does: the pod's interface over rtnetlink, then map entries and the link.
// Measured by the agent's own code without the agent around it.
import { Mac } from "@tsilium/net";
import { PodInterfaces } from "@tsilium/endpoint";
import { withNetns } from "@tsilium/syscall";
import { Topology } from "@tsilium/testkit";
import { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import { Address } from "@tsilium/net";
import { median } from "../statistics.ts";

const gatewayIpv4 = Address.parse("10.244.0.1");
const gatewayIpv6 = Address.parse("fd00:10:244::1");

/** Median milliseconds to make one pod's interface, complete and up at both ends. */
export function timeInterfaces(count: number): number {
  using topology = new Topology();
  const node = topology.netns("node");
  const network = { gatewayIpv4, gatewayIpv6, deviceMtu: 1500, routeMtu: 1450 };
  using interfaces = withNetns(node.path, () => new PodInterfaces(network));
  const taken: number[] = [];
  for (let index = 0; index < count; index++) {
    const pod = topology.netns(`pod-${index}`);
    const spec = {
      interfaceName: `lxcbench${index}`,
      containerInterface: "eth0",
      netns: pod.path,
      mac: Mac.random(),
      nodeMac: Mac.random(),
      ipv4: gatewayIpv4.add(index + 1),
      ipv6: gatewayIpv6.add(index + 1),
    };
    const startedAt = performance.now();
    withNetns(node.path, () => interfaces.create(spec));
    taken.push(performance.now() - startedAt);
  }
  return median(taken);
}

/** Median milliseconds to make the datapath know one more pod: map entries, and the shared program's link. */
export async function timeDatapath(count: number): Promise<number> {
  await using cluster = await TestCluster.up({ routingMode: "tunnel" });
  const taken: number[] = [];
  for (let index = 0; index < count; index++) taken.push((await cluster.addPod(1)).upsertMs);
  return median(taken);
}
