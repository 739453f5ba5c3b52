// `tsilium lab exec`, `node exec` and `world exec`: this process becomes the command, so that terminal, signals
// and exit status are the command's own.
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient, KubeError, type Pod, resources } from "@tsilium/kube";
import { projectRoot } from "@tsilium/syscall";
import { nodeNumber } from "../context.ts";
import { LabError } from "../error.ts";
import type { LabLayout, NodeLayout } from "../layout.ts";
import { isAlive, type ProcessIdentity } from "../processes/identity.ts";
import { runnerPath } from "../runner/runner.ts";
import { runningLab } from "../state.ts";
import { needRoot } from "./root.ts";

export type ExecOptions = {
  readonly pod: string;
  readonly argv: readonly string[];
  readonly namespace?: string;
  readonly container?: string;
};

/** A container that is just being restarted gets this long. */
const restartPatienceMs = 3000;

/** Does not come back. @throws LabError */
export async function execInPod(name: string, options: ExecOptions): Promise<void> {
  needRoot();
  const { lab } = runningLab(name);
  const { init, node, uid } = await findContainer(lab, options);
  become([
    "exec",
    "--target",
    String(init.pid),
    "--cgroup",
    join(node.cgroup, "pods", uid),
    "--",
    ...options.argv,
  ]);
}

/** Does not come back. The command finds `tsilium` in its path, talking to this node's agent. @throws LabError */
export function execOnNode(name: string, node: string, argv: readonly string[]): void {
  needRoot();
  const { lab, state } = runningLab(name);
  const layout = knownNode(lab, state.nodes, node);
  const environment = {
    TSILIUM_LAB: name,
    TSILIUM_NODE: node,
    KUBECONFIG: layout.kubeconfig,
    PATH: [projectRoot(), process.env["PATH"] ?? ""].join(delimiter),
  };
  const place = ["--netns", layout.netns, "--cgroup", join(layout.cgroup, "host")];
  become(["run", ...place, "--", ...argv], environment);
}

/** Does not come back. @throws LabError */
export function execInWorld(name: string, argv: readonly string[]): void {
  needRoot();
  const { lab } = runningLab(name);
  const place = ["--netns", lab.worldNetns, "--cgroup", join(lab.cgroup, "world")];
  become(["run", ...place, "--", ...argv]);
}

function become(args: readonly string[], environment: Readonly<Record<string, string>> = {}): void {
  const runner = runnerPath();
  const defined = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  process.execve?.(runner, [runner, ...args], { ...Object.fromEntries(defined), ...environment });
  throw new LabError(
    "missing_kernel_feature",
    "this Node cannot execve",
    "Use the project's own: `npm run build`.",
  );
}

function knownNode(lab: LabLayout, nodes: readonly string[], node: string): NodeLayout {
  if (nodes.includes(node)) return lab.node(nodeNumber(node));
  throw new LabError(
    "no_such_node",
    `lab "${lab.name}" has no node "${node}"`,
    `It has ${nodes.join(", ")}.`,
  );
}

type Found = { readonly init: ProcessIdentity; readonly node: NodeLayout; readonly uid: string };

async function findContainer(lab: LabLayout, options: ExecOptions): Promise<Found> {
  using client = KubeClient.fromKubeconfig(lab.kubeconfig);
  const deadline = performance.now() + restartPatienceMs;
  for (;;) {
    const pod = await getPod(client, options);
    const init = initOf(pod, options);
    if (typeof init !== "string")
      return {
        init,
        node: lab.node(nodeNumber(pod.spec.nodeName ?? "")),
        uid: pod.metadata.uid ?? "",
      };
    if (performance.now() > deadline || !mayRunSoon(pod))
      throw new LabError("no_such_container", init);
    await sleep(50);
  }
}

async function getPod(
  client: KubeClient,
  { pod, namespace = "default" }: ExecOptions,
): Promise<Pod> {
  const name = pod.replace(/^pods?\//, "");
  try {
    return await client.get(resources.pods, name, {
      namespace,
      signal: AbortSignal.timeout(10_000),
    });
  } catch (error) {
    if (!KubeError.isNotFound(error)) throw error;
    throw new LabError(
      "no_such_pod",
      `there is no pod "${name}" in namespace "${namespace}"`,
      "Name the namespace with -n.",
    );
  }
}

function mayRunSoon({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase === "Running";
}

/** The container's init; or, in words, why there is none. */
function initOf(pod: Pod, { container }: ExecOptions): ProcessIdentity | string {
  const wanted = container ?? pod.spec.containers[0]?.name;
  const status = pod.status?.containerStatuses?.find(({ name }) => name === wanted);
  const names = pod.spec.containers.map(({ name }) => name);
  if (!wanted || !names.includes(wanted))
    return `the pod has no container "${wanted}": it has ${names.join(", ")}`;
  const id = /^tsilium-lab:\/\/(\d+)-(\d+)$/.exec(status?.containerID ?? "");
  const init = id && { pid: Number(id[1]), startTime: id[2] as string };
  if (init && status?.state?.running && isAlive(init)) return init;
  const { waiting, terminated } = status?.state ?? {};
  const why = waiting ?? terminated;
  return `container "${wanted}" is not running: ${why?.reason ?? pod.status?.phase ?? "not started yet"}${why?.message ? ` (${why.message})` : ""}`;
}
