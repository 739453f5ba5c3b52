// Counts everything a pod brings into being on a node, so that a test can show that nothing is left.
import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Lab } from "./harness.ts";

export type Census = {
  readonly links: number;
  readonly addresses: number;
  readonly neighbours: number;
  readonly routes: number;
  readonly pins: number;
  readonly endpoints: number;
  readonly allocations: number;
  readonly agentDescriptors: number;
};

type ProcessRow = { name: string; pid: number };

/** The agent's process on a node, as `tsilium lab status` knows it. */
export async function agentPid(lab: Lab, node: string): Promise<number> {
  const status = await lab.json<{ processes: ProcessRow[] }>("lab", "status", "--name", lab.name);
  const agent = status.processes.find(({ name }) => name === `agent/${node}`);
  if (!agent) throw new Error(`lab status names no agent/${node}`);
  return agent.pid;
}

/** Counts once, after a moment in which what is deleted asynchronously may go. */
export async function census(lab: Lab, node: string): Promise<Census> {
  let last: Census | undefined;
  // Settled: two counts in a row agree. Kernel objects (links, programs) go after an RCU grace period.
  for (let tries = 0; tries < 50; tries++) {
    const next = await count(lab, node);
    if (last && JSON.stringify(next) === JSON.stringify(last)) return next;
    last = next;
    await sleep(100);
  }
  return last as Census;
}

async function count(lab: Lab, node: string): Promise<Census> {
  const lines = async (...command: string[]) =>
    (await lab.nodeExec(node, command)).stdout.split("\n").filter(Boolean).length;
  const pid = await agentPid(lab, node);
  const ipam = await lab.json<{ allocations: unknown[] }>("--node", node, "ipam", "list");
  const endpoints = await lab.json<unknown[]>("--node", node, "endpoint", "list");
  return {
    links: await lines("ip", "-o", "link"),
    addresses: await lines("ip", "-o", "address"),
    neighbours: await lines("ip", "neighbour", "show", "nud", "permanent"),
    routes:
      (await lines("ip", "route", "show", "table", "all")) +
      (await lines("ip", "-6", "route", "show", "table", "all")),
    pins: countFiles(`/var/run/tsilium/lab/${lab.name}/bpf/${node}`),
    endpoints: endpoints.length,
    allocations: ipam.allocations.length,
    agentDescriptors: readdirSync(`/proc/${pid}/fd`).length,
  };
}

function countFiles(folder: string): number {
  return readdirSync(folder, { recursive: true }).length;
}
