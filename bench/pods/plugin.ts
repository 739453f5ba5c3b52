// Drives bench/native/cnibench.c: the real plugin, run as a container runtime would, against a real agent.
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "@tsilium/syscall";
import { podArgs, type TestCluster } from "../../apps/agent/src/testing/cluster.ts";
import type { Pod } from "@tsilium/kube";
import type { Netns } from "@tsilium/testkit";

const binaries = join(projectRoot(), "dist/bin");

/** A pod and the namespace that its container would run in. */
export type Sandbox = { readonly pod: Pod; readonly netns: Netns };

export type PluginRuns = {
  readonly count: number;
  readonly failed: number;
  /** From before fork to the exit being seen. */
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** Of all runs together. */
  readonly totalNs: number;
};

/** Writes the plugin's configuration for a cluster's first node; answers the file's path. */
export function writeConfig(cluster: TestCluster): string {
  const { runDir } = cluster.node;
  const path = join(cluster.folder, "bench.conf");
  const config = {
    cniVersion: "1.1.0",
    name: "tsilium",
    type: "tsilium-cni",
    agentSocket: join(runDir, "tsilium.sock"),
    deleteQueue: join(runDir, "deleteQueue"),
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

/** Runs one command for every sandbox, `parallel` at a time. @throws Error when a run failed, with what it said */
export async function runPlugin(
  command: "ADD" | "DEL",
  sandboxes: readonly Sandbox[],
  { config, parallel }: { readonly config: string; readonly parallel: number },
): Promise<PluginRuns> {
  const args = [
    "--plugin",
    join(binaries, "tsilium-cni"),
    "--command",
    command,
    "--config",
    config,
  ];
  const attachments = sandboxes
    .map(({ pod, netns }) => `bench-${pod.metadata.name} ${netns.path} ${podArgs(pod)}\n`)
    .join("");
  const output = await new Promise<string>((resolve, reject) => {
    const bench = execFile(
      join(binaries, "cnibench"),
      [...args, "--parallel", String(parallel)],
      (error, stdout, stderr) =>
        error || stderr ? reject(error ?? new Error(stderr)) : resolve(stdout),
    );
    bench.stdin?.end(attachments);
  });
  return JSON.parse(output) as PluginRuns;
}
