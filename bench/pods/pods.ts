// What a pod costs: CNI ADD and DEL as the runtime sees them, how many at once, the kernel's share, and memory.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { TestCluster } from "../../apps/agent/src/testing/cluster.ts";
import type { Section } from "../report.ts";
import { timeDatapath, timeInterfaces } from "./kernel.ts";
import { residentBytes } from "./memory.ts";
import { runPlugin, writeConfig, type PluginRuns, type Sandbox } from "./plugin.ts";

export type PodsOptions = { readonly pods: number };

const parallel = 64;
const kernelRuns = 20;

/** One node with a real API server, operator and agent, and `pods` pods on it. */
export async function benchPods(options: PodsOptions): Promise<Section[]> {
  const agent = join(projectRoot(), "dist/js/agent.mjs");
  const kernel = {
    interfaces: timeInterfaces(kernelRuns),
    datapath: await timeDatapath(kernelRuns),
  };
  await using cluster = await TestCluster.up({ agent, config: { "log-level": "info" } });
  const config = writeConfig(cluster);
  const memory = () => `${(residentBytes(cluster.node.pid) / 2 ** 20).toFixed(0)} MB`;
  const memoryBefore = memory();
  const sandboxes = await makeSandboxes(cluster, options.pods);
  const add = await runPlugin("ADD", sandboxes, { config, parallel: 1 });
  const memoryFull = memory();
  const del = await runPlugin("DEL", sandboxes, { config, parallel: 1 });
  const addMany = await runPlugin("ADD", sandboxes, { config, parallel });
  const delMany = await runPlugin("DEL", sandboxes, { config, parallel });
  return [
    {
      title: "CNI",
      note: `${options.pods} pods of one node, milliseconds from the plugin's start to its exit; agent, operator and API server are real.`,
      columns: ["", "p50 ms", "p99 ms", "pods/s"],
      rows: [
        row("ADD, one at a time", add),
        row("DEL, one at a time", del),
        row(`ADD, ${parallel} at a time`, addMany),
        row(`DEL, ${parallel} at a time`, delMany),
      ],
    },
    {
      title: "the kernel's share of an ADD",
      note: `Median of ${kernelRuns}, milliseconds.`,
      columns: ["", "ms"],
      rows: [
        ["interface, addresses and routes", kernel.interfaces.toFixed(2)],
        ["map entries and link", kernel.datapath.toFixed(2)],
      ],
    },
    {
      title: "memory",
      note: "VmRSS of the agent and its children.",
      columns: ["", ""],
      rows: [
        ["without pods", memoryBefore],
        [`with ${options.pods} pods`, memoryFull],
        ["after all were deleted, added and deleted again", memory()],
      ],
    },
  ];
}

async function makeSandboxes(cluster: TestCluster, count: number): Promise<Sandbox[]> {
  const sandboxes: Sandbox[] = [];
  for (let index = 0; index < count; index++) {
    // Ten kinds of pods: identities are shared, as replicas share them.
    const pod = await cluster.createPod(`pod-${index}`, { labels: { app: `app-${index % 10}` } });
    sandboxes.push({ pod, netns: cluster.topology.netns(`bench-${index}`) });
  }
  return sandboxes;
}

function row(name: string, { p50Ns, p99Ns, count, totalNs }: PluginRuns): (string | number)[] {
  const milliseconds = (ns: number) => (ns / 1e6).toFixed(1);
  return [name, milliseconds(p50Ns), milliseconds(p99Ns), Math.round((count / totalNs) * 1e9)];
}
