// How many flows an agent gets through: packets that are told one by one, as fast as two pods make them, beside the CPU time
// that the agent took meanwhile. From the kernel's rings through decoding, names, memory and the history on disk; then with
// a client that follows all of it.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "@tsilium/syscall";
import { BenchLab } from "../lab/lab.ts";
import { measure, startServer } from "../path/netbench.ts";
import type { Variant } from "../path/variant.ts";
import type { Section } from "../report.ts";
import { podsOf } from "./pods.ts";

const durationMs = 5000;
/** For what is under way to arrive. */
const settleMs = 1500;

type Status = { readonly seen_flows: string | number };
type Load = { readonly flows: number; readonly cpuMs: number; readonly lost: number };

export async function benchFlowThroughput(): Promise<Section[]> {
  await using lab = await BenchLab.up({
    nodes: 1,
    settings: { "monitor-aggregation": "none" },
  });
  const way = await podsOf(lab, "pods");
  const server = await startServer(way.serverNetns, "udp");
  try {
    const alone = await load(lab, way);
    const followed = await withFollower(() => load(lab, way));
    return [section({ "kept in memory and on disk": alone, "and followed by a client": followed })];
  } finally {
    server.kill("SIGKILL");
  }
}

async function load(lab: BenchLab, way: Variant): Promise<Load> {
  const agent = lab.nodes[0] as (typeof lab.nodes)[number];
  await sleep(settleMs);
  const before = { flows: await seen(lab), cpuMs: agent.agentCpuMs(), lost: await lost(lab) };
  const address = way.serverAddress.IPv4;
  await measure(way.clientNetns, { kind: "udp", address, durationMs });
  await sleep(settleMs);
  const after = { flows: await seen(lab), cpuMs: agent.agentCpuMs(), lost: await lost(lab) };
  return {
    flows: after.flows - before.flows,
    cpuMs: after.cpuMs - before.cpuMs,
    lost: after.lost - before.lost,
  };
}

async function withFollower<T>(work: () => Promise<T>): Promise<T> {
  const name = `bench-${process.pid}`;
  const follower = spawn(join(projectRoot(), "hubble"), ["observe", "--follow", "-o", "jsonpb"], {
    env: { ...process.env, TSILIUM_LAB: name },
    stdio: ["ignore", "ignore", "inherit"],
  });
  try {
    await sleep(settleMs);
    return await work();
  } finally {
    follower.kill("SIGTERM");
  }
}

async function seen(lab: BenchLab): Promise<number> {
  const { seen_flows } = await lab.ask<Status>("hubble", "status");
  return Number(seen_flows);
}

type NodeStatus = {
  readonly parts: readonly { readonly name: string; readonly message: string }[];
};

async function lost(lab: BenchLab): Promise<number> {
  const { parts } = await lab.ask<NodeStatus>("tsilium", "--node", "node-1", "status");
  const { message = "" } = parts.find(({ name }) => name === "hubble") ?? {};
  return Number(/Lost: ([\d,]+)/.exec(message)?.[1]?.replaceAll(",", "") ?? 0);
}

function section(loads: Readonly<Record<string, Load>>): Section {
  return {
    title: "Flows through an agent (aim: 80,000 a second per core)",
    note: `UDP request/response between two pods for ${durationMs / 1000} s, every packet told where it comes from and where it goes; the agent's CPU time as /proc tells it, all its threads.`,
    columns: ["", "flows/s", "lost", "agent CPU us/flow", "flows/s per core"],
    rows: Object.entries(loads).map(([name, { flows, cpuMs, lost: missed }]) => [
      name,
      Math.round(flows / (durationMs / 1000)).toLocaleString("en"),
      missed,
      ((cpuMs * 1000) / flows).toFixed(1),
      Math.round(flows / (cpuMs / 1000)).toLocaleString("en"),
    ]),
  };
}
