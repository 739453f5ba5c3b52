// Counts everything a pod brings into being on a node, so that a test can show that nothing is left.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { type Lab, processPid } from "./harness.ts";

export type Census = {
  readonly links: number;
  readonly addresses: number;
  readonly neighbours: number;
  readonly routes: number;
  readonly pins: number;
  readonly endpoints: number;
  readonly allocations: number;
  /**
   * Without connections to the API server, which are a pool that breathes, those of who watches flows, who come and go, and
   * Hubble's history, which grows.
   */
  readonly agentDescriptors: number;
  /** Maps, programs and links that the agent has open. */
  readonly agentKernelObjects: Readonly<Record<string, number>>;
};

/** The agent's process on a node. */
export function agentPid(lab: Lab, node: string): Promise<number> {
  return processPid(lab, `agent/${node}`);
}

/** Counts once nothing changes any more: kernel objects go after an RCU grace period. */
export async function census(lab: Lab, node: string): Promise<Census> {
  let last = await count(lab, node);
  for (let tries = 0; tries < 10; tries++) {
    await sleep(200);
    const next = await count(lab, node);
    if (isDeepStrictEqual(next, last)) return next;
    last = next;
  }
  return last;
}

/**
 * Fails unless the node comes back to what was counted before. It has ten seconds, for what the
 * kernel frees after a grace period.
 */
export async function assertCensus(lab: Lab, node: string, expected: Census): Promise<void> {
  let last = await count(lab, node);
  for (
    const deadline = Date.now() + 10_000;
    !isDeepStrictEqual(last, expected) && Date.now() < deadline;
  ) {
    await sleep(200);
    last = await count(lab, node);
  }
  assert.deepEqual(last, expected);
}

/** Words after `ip`, by what they list. */
const lists = {
  links: ["-o link"],
  addresses: ["-o address"],
  neighbours: ["neighbour show nud permanent"],
  routes: ["route show table all", "-6 route show table all"],
} as const;

async function count(lab: Lab, node: string): Promise<Census> {
  const [pids, listed, ipam, endpoints] = await Promise.all([
    pidsAt(lab, node),
    countListed(lab, node),
    lab.json<{ allocations: unknown[] }>("--node", node, "ipam", "list"),
    lab.json<unknown[]>("--node", node, "endpoint", "list"),
  ]);
  return {
    ...listed,
    pins: countFiles(`/var/run/tsilium/lab/${lab.name}/bpf/${node}`),
    endpoints: endpoints.length,
    allocations: ipam.allocations.length,
    agentDescriptors: countDescriptors(pids),
    agentKernelObjects: kernelObjects(pids.agent),
  };
}

type Pids = { readonly agent: number; readonly relay: number | undefined };

async function pidsAt(lab: Lab, node: string): Promise<Pids> {
  const status = await lab.json<{ processes: { name: string; pid?: number }[] }>(
    "lab",
    "status",
    "--name",
    lab.name,
  );
  const pidOf = (name: string) => status.processes.find((each) => each.name === name)?.pid;
  const agent = pidOf(`agent/${node}`);
  assert.ok(agent, `no agent runs on ${node}`);
  return { agent, relay: pidOf("relay") };
}

/** Lines that `ip` prints of each kind, all in one process on the node. */
async function countListed(lab: Lab, node: string): Promise<Record<keyof typeof lists, number>> {
  const script = Object.values(lists)
    .map((commands) => `(${commands.map((words) => `ip ${words}`).join("; ")}) | grep -c .`)
    .join("; ");
  const { stdout } = await lab.nodeExec(node, ["sh", "-c", script]);
  const [links, addresses, neighbours, routes] = stdout.trim().split("\n").map(Number);
  assert.ok(links && addresses && neighbours !== undefined && routes, stdout);
  return { links, addresses, neighbours, routes };
}

function countDescriptors({ agent, relay }: Pids): number {
  const others = new Set([...apiServerSockets(agent), ...hubbleClientSockets(agent, relay)]);
  return readdirSync(`/proc/${agent}/fd`)
    .map((fd) => target(`/proc/${agent}/fd/${fd}`))
    .filter((path) => !others.has(path) && !/\/node-\d+\/hubble\//.test(path)).length;
}

const linesOf = (pid: number, file: string) =>
  readFileSync(`/proc/${pid}/net/${file}`, "utf8")
    .split("\n")
    .slice(1)
    .map((row) => row.trim().split(/\s+/));

const hexPort = (port: number) => `:${port.toString(16).toUpperCase()}`;

/** "socket:[INODE]" of every connection to the API server's port, 6443. */
function apiServerSockets(pid: number): string[] {
  return ["tcp", "tcp6"]
    .flatMap((file) => linesOf(pid, file))
    .filter((row) => row[2]?.endsWith(hexPort(6443)))
    .map((row) => `socket:[${row[9]}]`);
}

/**
 * The same of whoever watches flows, at 4244 and at hubble.sock: relay comes back some time after an agent does. Both ends of
 * a Unix socket's connection are in the list of the client's network namespace, by the name that it was bound to before it
 * became hubble.sock.
 */
function hubbleClientSockets(agent: number, relay: number | undefined): string[] {
  const established = "01";
  const listens = "00010000";
  const overTcp = ["tcp", "tcp6"]
    .flatMap((file) => linesOf(agent, file))
    .filter((row) => row[1]?.endsWith(hexPort(4244)) && row[3] === established)
    .map((row) => `socket:[${row[9]}]`);
  const overUnix = [agent, relay ?? agent]
    .flatMap((pid) => linesOf(pid, "unix"))
    .filter((row) => /\/(hubble\.sock|\.h\w+\/s)$/.test(row[7] ?? "") && row[3] !== listens)
    .map((row) => `socket:[${row[6]}]`);
  return [...overTcp, ...overUnix];
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return ""; // closed meanwhile
  }
}

function kernelObjects(pid: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    const kind = /^(map_id|prog_id|link_id):/m.exec(fdinfo(pid, fd))?.[1];
    if (kind) counts[kind] = (counts[kind] ?? 0) + 1;
  }
  return counts;
}

function fdinfo(pid: number, fd: string): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8");
  } catch {
    return ""; // closed meanwhile
  }
}

function countFiles(folder: string): number {
  return readdirSync(folder, { recursive: true }).length;
}
