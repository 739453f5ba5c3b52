// What a pod's sandbox costs a container runtime: containerd and runc over CRI, with our plugin, with the reference
// plugins bridge and host-local, and in the host's network, where no plugin runs. Interleaved, in one run.
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { TestCluster } from "../../apps/agent/src/testing/cluster.ts";
import { conflist } from "../../apps/cni/src/installer.ts";
import { hasContainerd, referencePlugins } from "../../tests/peers/cri/containerd.ts";
import { type Section, times } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { type PodName, RuntimeHost, type Taken } from "./host.ts";

export type SandboxesOptions = { readonly samples: number };

const atOnce = 8;
const root = projectRoot();

type Variant = {
  readonly name: string;
  readonly make: () => Promise<Taken>;
};

/** @throws Error where Debian's containerd is not unpacked */
export async function benchSandboxes({ samples }: SandboxesOptions): Promise<Section[]> {
  if (!hasContainerd) throw new Error("no containerd: run tools/setup.sh --tests");
  const agent = join(root, "dist/js/agent.mjs");
  await using cluster = await TestCluster.up({ agent, config: { "log-level": "info" } });
  await using ours = await ourHost(cluster);
  await using reference = await RuntimeHost.start({
    name: "reference",
    netns: cluster.topology.netns("reference"),
    folder: join(cluster.folder, "reference"),
    plugins: ["bridge", "host-local", "loopback"].map((name) => join(referencePlugins, name)),
    conflist: bridgeConflist(join(cluster.folder, "host-local")),
  });
  const pod = await podName(cluster);
  const variants: readonly Variant[] = [
    { name: "tsilium-cni", make: () => ours.sandbox(pod, { hostNetwork: false }) },
    { name: "bridge, host-local", make: () => reference.sandbox(pod, { hostNetwork: false }) },
    { name: "host's network", make: () => reference.sandbox(pod, { hostNetwork: true }) },
  ];
  const single = await rounds(variants, { count: samples, parallel: 1 });
  const many = await rounds(variants, { count: Math.ceil(samples / atOnce), parallel: atOnce });
  return [
    section("sandboxes, one at a time", `${samples} each`, single),
    section(
      `sandboxes, ${atOnce} at a time`,
      `${Math.ceil(samples / atOnce)} times ${atOnce} each; milliseconds of one among them`,
      many,
    ),
  ];
}

function ourHost(cluster: TestCluster): Promise<RuntimeHost> {
  const { runDir, netns } = cluster.node;
  return RuntimeHost.start({
    name: "ours",
    netns,
    folder: join(cluster.folder, "ours"),
    plugins: ["tsilium-cni", "loopback"].map((name) => join(root, "dist/bin", name)),
    conflist: conflist({
      agentSocket: join(runDir, "tsilium.sock"),
      deleteQueue: join(runDir, "deleteQueue"),
    }),
  });
}

/** As in the plugins' own documentation, with an address of both families as ours gives. */
function bridgeConflist(dataDir: string): string {
  const range = (subnet: string) => [{ subnet }];
  const bridge = {
    type: "bridge",
    bridge: "cni0",
    isGateway: true,
    ipam: {
      type: "host-local",
      dataDir,
      ranges: [range("10.22.0.0/16"), range("fd00:22::/64")],
      routes: [{ dst: "0.0.0.0/0" }, { dst: "::/0" }],
    },
  };
  return JSON.stringify({ cniVersion: "1.0.0", name: "bench", plugins: [bridge] });
}

async function podName(cluster: TestCluster): Promise<PodName> {
  const { metadata } = await cluster.createPod("sandbox", { labels: { app: "bench" } });
  return { name: "sandbox", namespace: "default", uid: metadata.uid ?? "" };
}

type Results = ReadonlyMap<string, readonly Taken[]>;

/** The first round warms up: it unpacks the image's layer and is not counted. */
async function rounds(
  variants: readonly Variant[],
  { count, parallel }: { readonly count: number; readonly parallel: number },
): Promise<Results> {
  const results = new Map<string, Taken[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round <= count; round++)
    for (const { name, make } of shuffled(variants)) {
      const taken = await Promise.all(Array.from({ length: parallel }, make));
      if (round > 0) results.get(name)?.push(mean(taken));
    }
  return results;
}

function mean(taken: readonly Taken[]): Taken {
  const of = (part: keyof Taken) => taken.reduce((sum, one) => sum + one[part], 0) / taken.length;
  return { run: of("run"), stop: of("stop"), remove: of("remove") };
}

function section(title: string, how: string, results: Results): Section {
  const bare = results.get("host's network") as readonly Taken[];
  const reference = results.get("bridge, host-local") as readonly Taken[];
  const ms = (values: readonly number[]) => median(values).toFixed(1);
  const rows = [...results].map(([name, taken]) => [
    name,
    ...(["run", "stop", "remove"] as const).map((part) => ms(taken.map((one) => one[part]))),
    ms(taken.map(({ run }, round) => run - (bare[round]?.run ?? 0))),
    times(median(taken.map(({ run }, round) => run / (reference[round]?.run ?? 1)))),
  ]);
  return {
    title,
    note: `${how}, in random order; medians in milliseconds. "network" and the ratio are of each round's own runs.`,
    columns: ["", "RunPodSandbox", "Stop", "Remove", "network", "run / bridge"],
    rows,
  };
}
