// What a service costs a connection, at 1 to 50,000 services: ours beside rules of netfilter in kube-proxy's shape, plain
// routing without rules and a bare veth pair, all of them in every round.
import { Topology } from "@tsilium/testkit";
import { veth } from "../../path/floors.ts";
import type { Section } from "../../report.ts";
import { programmedByUs } from "../control/control.ts";
import { type Programmed, programmedSections } from "../programmed.ts";
import { iptables, iptablesLegacy } from "../rules/iptables.ts";
import { nftables } from "../rules/nftables.ts";
import { serviceOf } from "../workload.ts";
import { KernelScene } from "./kernel-scene.ts";
import { type Path, type Server, serverPort } from "./path.ts";
import { type Measured, measureRounds, type RoundOptions, Servers } from "./rounds.ts";
import { names, pathSections } from "./sections.ts";
import { TsiliumScene } from "./tsilium-scene.ts";

const ruleSets = [iptables, iptablesLegacy, nftables];
/** With more, rules take minutes to write. */
const largestRuleSet = 10_000;
const additions = 5;

export async function benchServicePaths(
  sizes: readonly number[],
  options: RoundOptions,
): Promise<Section[]> {
  using topology = new Topology();
  await using ours = await TsiliumScene.up();
  const plain = new KernelScene(topology, "plain");
  const floor = bareVeth(topology);
  const bySize = new Map<number, readonly Measured[]>();
  const programmed = new Map<string, Map<number, Programmed>>();
  for (const size of sizes) {
    const paths = [floor.path, ...plain.paths(names.plain, "pods")];
    const ends = [floor.server, ...plain.servers, ...ours.servers];
    for (const rules of size > largestRuleSet ? [] : ruleSets) {
      const scene = new KernelScene(topology, `${rules.name}-${size}`);
      const added = Array.from({ length: additions }, (_, index) => serviceOf(size + index));
      const took = await scene.program(rules, size, added);
      programmed.set(rules.name, (programmed.get(rules.name) ?? new Map()).set(size, took));
      paths.push(...scene.paths(rules.name, "services"));
      ends.push(...scene.servers);
    }
    ours.hold(size);
    using servers = new Servers();
    await servers.start(ends);
    bySize.set(size, await measureRounds([...paths, ...ours.paths], options));
  }
  const all = new Map([...programmed, ["tsilium", await programmedByUs(sizes)]]);
  return [...pathSections(bySize, options), ...programmedSections(all, sizes)];
}

function bareVeth(topology: Topology): { readonly path: Path; readonly server: Server } {
  const { clientNetns, serverNetns, serverAddress } = veth(topology);
  return {
    path: {
      route: "pod",
      name: names.veth,
      client: { netns: clientNetns },
      target: { address: serverAddress.IPv4, port: serverPort },
    },
    server: { netns: serverNetns, port: serverPort },
  };
}
