// What the way between two pods costs, compared with a bare veth pair.
import { Topology } from "@tsilium/testkit";
import { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import type { Section } from "../report.ts";
import { compare } from "./compare.ts";
import { redirectPeer, veth } from "./floors.ts";
import { kinds, type Kind } from "./netbench.ts";
import { routed } from "./routed.ts";
import { betweenPods } from "./tsilium.ts";

export type PathOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

const titles: Readonly<Record<Kind, string>> = {
  rr: "request/response over TCP (aim: local pods at most 1.12x)",
  crr: "connect/request/close over TCP (aim: local pods at most 1.18x)",
  stream: "stream over TCP",
  udp: "request/response over UDP",
};

/** Builds every variant, measures them interleaved, and takes everything down again. */
export async function benchPath(options: PathOptions): Promise<Section[]> {
  using topology = new Topology();
  await using tunnel = await TestCluster.up({ routingMode: "tunnel" });
  await using native = await TestCluster.up({ routingMode: "native" });
  const variants = [
    veth(topology),
    redirectPeer(topology),
    betweenPods(tunnel, "local pods", [1, 2]),
    routed(topology),
    betweenPods(native, "pods across nodes, native", [1, 3]),
    betweenPods(tunnel, "pods across nodes, VXLAN", [1, 3]),
  ];
  const sections: Section[] = [];
  for (const kind of kinds)
    sections.push(await compare({ ...options, kind, variants, title: titles[kind] }));
  return sections;
}
