// A dump, from finding places to the archive with its summary.
import { KubeClient } from "@tsilium/kube";
import type { Command } from "commander";
import { dirname, resolve } from "node:path";
import manifest from "../../../../package.json" with { type: "json" };
import { CommandError } from "../failure.ts";
import { agentTasks } from "./agent-tasks.ts";
import { Archive } from "./archive.ts";
import { bpfTasks } from "./bpf-tasks.ts";
import { clusterTasks } from "./cluster-tasks.ts";
import { collect, type Task, type TaskReport } from "./collect.ts";
import { flowTasks } from "./flow-tasks.ts";
import { hostTasks } from "./host-tasks.ts";
import { logTasks } from "./log-tasks.ts";
import { findPlaces, type NodePlace, type Places } from "./places.ts";

export type SysdumpOptions = {
  readonly command: Command;
  /** With or without .tar.gz; undefined: of the moment, here. */
  readonly path: string | undefined;
  readonly nodes: readonly string[] | undefined;
  readonly quick: boolean;
  readonly logBytes: number;
  readonly flows: number;
  readonly connections: number;
  /** For each file. */
  readonly timeoutMs: number;
  readonly onProgress: (report: TaskReport, done: number, of: number) => void;
  readonly signal: AbortSignal;
};

export type SysdumpSummary = {
  readonly version: string;
  readonly path: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly bytes: number;
  readonly nodes: readonly string[];
  readonly tasks: readonly TaskReport[];
};

/** Of one file: what is more is cut off, and the summary says so. */
const maxBytes = 64 * 2 ** 20;
/** Left out by --quick: what grows with traffic. */
const slow = /\/(?:bpf\/(?:conntrack|nat|policy-slots|service-affinities)|hubble\/flows)\./;

/** @throws CommandError, LabError, Error of node:fs */
export async function sysdump(options: SysdumpOptions): Promise<SysdumpSummary> {
  const startedAt = new Date();
  const places = await findPlaces(options.command);
  const nodes = chosen(places.nodes, options.nodes);
  const root = `tsilium-sysdump-${startedAt.toISOString().replaceAll(/[-:]|\..*/g, "")}`;
  const path = archivePath(options.path ?? root);
  using archive = openArchive(path, root);
  using client = clientOf(places);
  const tasks = await tasksOf({ ...places, nodes }, client, options);
  const reports = await collect({
    tasks,
    write: (name, content) => archive.add(name, content),
    onDone: (report, done) => options.onProgress(report, done, tasks.length),
    timeoutMs: options.timeoutMs,
    maxBytes,
    signal: options.signal,
  });
  const summary = {
    version: manifest.version,
    path,
    startedAt: startedAt.toISOString(),
    durationMs: Date.now() - startedAt.getTime(),
    nodes: nodes.map(({ name }) => name),
    tasks: reports,
  };
  archive.add("summary.json", Buffer.from(`${JSON.stringify(summary, undefined, 1)}\n`));
  return { ...summary, bytes: archive.finish() };
}

/** Whoever writes .tar.gz behind the name means the same. */
function archivePath(name: string): string {
  return `${resolve(name.replace(/\.tar\.gz$/, ""))}.tar.gz`;
}

function openArchive(path: string, root: string): Archive {
  try {
    return new Archive(path, root);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    throw new CommandError(`cannot write ${path}: ${message}`, howToWrite(path, code), {
      cause: error,
    });
  }
}

function howToWrite(path: string, code: string | undefined): string {
  if (code === "ENOENT") return `Make the folder ${dirname(path)} first.`;
  if (code === "EEXIST")
    return `Another dump is being written there, or was ended: then remove ${path}.partial.`;
  if (code === undefined) return "Choose another --output-filename, or remove the file.";
  return `May you write in ${dirname(path)}, and is there room?`;
}

function chosen(nodes: readonly NodePlace[], names: readonly string[] | undefined) {
  const unknown = names?.filter((name) => !nodes.some((node) => node.name === name)) ?? [];
  if (unknown.length > 0)
    throw new CommandError(
      `there is no node ${unknown.join(", ")}`,
      `Nodes are ${nodes.map(({ name }) => name).join(", ")}.`,
    );
  return names ? nodes.filter(({ name }) => names.includes(name)) : nodes;
}

type MaybeClient = Disposable & { readonly client: KubeClient | undefined };

/** A cluster that cannot be asked is no reason to tell nothing of its nodes. */
function clientOf({ kubeconfig }: Places): MaybeClient {
  try {
    const client = kubeconfig === undefined ? undefined : KubeClient.fromKubeconfig(kubeconfig);
    return { client, [Symbol.dispose]: () => client?.[Symbol.dispose]() };
  } catch {
    return { client: undefined, [Symbol.dispose]: () => undefined };
  }
}

async function tasksOf(
  { nodes, logs }: Places,
  { client }: MaybeClient,
  options: SysdumpOptions,
): Promise<readonly Task[]> {
  const ofNodes = await Promise.all(nodes.map((node) => nodeTasks(node, options)));
  const tasks = [
    ...(client ? clusterTasks(client) : [absent("cluster", "no kubeconfig is known")]),
    ...ofNodes.flat(),
    ...(logs === undefined ? [] : logTasks(logs, { name: "logs", maxBytes: options.logBytes })),
  ];
  return options.quick ? tasks.filter(({ name }) => !slow.test(name)) : tasks;
}

async function nodeTasks(node: NodePlace, options: SysdumpOptions): Promise<Task[]> {
  const folder = `nodes/${node.name}`;
  const { flows, connections } = options;
  return [
    ...(await agentTasks(folder, node.socket, AbortSignal.timeout(options.timeoutMs)).catch(
      (error: Error) => [absent(`${folder}/agent`, error.message)],
    )),
    ...bpfTasks({ folder, bpffs: node.bpffs, maxConnections: connections }),
    ...hostTasks({ folder, netns: node.netns, maxBytes }),
    ...logTasks(node.proxyLogs, { name: `${folder}/proxy`, maxBytes: options.logBytes }),
    ...(flows === 0
      ? []
      : flowTasks({ folder, socket: node.hubbleSocket, count: flows, maxBytes })),
  ];
}

/** Tells, as a file that is missing, that a part of the cluster is. */
function absent(name: string, why: string): Task {
  return { name, read: () => Promise.reject(new Error(why)) };
}
