// The run itself: everything starts, everything goes wrong for a while, everything is taken away, and what was measured on
// the way is the outcome.
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { type Random, seeded } from "@tsilium/testkit";
import { type Census, census } from "../e2e/census.ts";
import { type Answer, Answers } from "./answers.ts";
import { contradictions, programCounts, tableCounts } from "./books.ts";
import { Cast } from "./cast.ts";
import { Churn } from "./churn.ts";
import { Cluster } from "./cluster.ts";
import { type Fault, Faults } from "./faults.ts";
import { type LogFindings, readLogs } from "./log-lines.ts";
import { buildOlderObjectsBeside } from "./older-objects.ts";
import type { Plan } from "./plan.ts";
import { type ProcessSample, Samples, type TableSample } from "./samples.ts";
import { Traffic, type TrafficResult } from "./traffic.ts";

/** What a node holds, and what programs run in the lab. */
export type Inventory = {
  readonly census: Readonly<Record<string, Census>>;
  readonly tables: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly programs: Readonly<Record<string, number>>;
};

export type Outcome = {
  readonly plan: Plan;
  readonly begunNs: bigint;
  readonly churn: Readonly<Record<string, number>>;
  readonly faults: readonly Fault[];
  readonly traffic: TrafficResult;
  readonly processes: readonly ProcessSample[];
  readonly tables: readonly TableSample[];
  readonly restarts: Readonly<Record<string, number>>;
  /** Until every kernel had it, once everything that came had been taken away. */
  readonly lastConvergenceMs: number;
  readonly before: Inventory;
  readonly after: Inventory;
  readonly contradictions: readonly string[];
  /** Of the API server. */
  readonly answers: readonly Answer[];
  readonly logs: LogFindings;
};

/** For what is removed some time after its use ended: identities, kernel objects, files. */
const settleMs = 90_000;

/** @param say told of what goes on, a line at a time */
export async function endure(plan: Plan, say: (line: string) => void): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), "tsit-soak-"));
  try {
    const starting = startCluster(plan);
    const building = buildOlderObjectsBeside(folder);
    const [cluster, objects] = await Promise.allSettled([starting, building]);
    if (cluster.status === "rejected") throw cluster.reason;
    await using running = cluster.value;
    if (objects.status === "rejected") throw objects.reason;
    try {
      return await run(plan, { cluster: running, otherObjects: objects.value, say });
    } catch (error) {
      await keepEvidence(running, say);
      throw error;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of a run that could not go on: what agents say, and where TSILIUM_SOAK_REPORT names a report, all logs beside it. */
async function keepEvidence(cluster: Cluster, say: (line: string) => void): Promise<void> {
  for (const node of cluster.nodes) {
    const { stdout, stderr } = await cluster.lab.tsilium(["--node", node, "status"]);
    say(`${node}: ${stdout}${stderr}`);
  }
  const path = process.env["TSILIUM_SOAK_REPORT"];
  if (path) cpSync(cluster.layout.logs, `${path}.logs`, { recursive: true });
}

function startCluster({ nodes, identityTimeoutMs, lease }: Plan): Promise<Cluster> {
  return Cluster.up({
    name: `t${process.pid}soak`,
    nodes,
    set: {
      // Minutes in production: here what is unused is to be gone by the end.
      "identity-heartbeat-timeout": `${identityTimeoutMs}ms`,
      "identity-gc-interval": `${identityTimeoutMs / 2}ms`,
      "identity-change-grace-period": "500ms",
      "leader-election-lease-duration": `${lease.seconds}s`,
      "leader-election-renew-deadline": `${lease.renewSeconds}s`,
    },
  });
}

type Stage = {
  readonly cluster: Cluster;
  readonly otherObjects: string;
  readonly say: (line: string) => void;
};

async function run(plan: Plan, { cluster, otherObjects, say }: Stage): Promise<Outcome> {
  await using answers = new Answers(cluster);
  const random = seeded(plan.seed);
  const cast = await Cast.enter(cluster);
  const churn = new Churn(cluster, seeded(random.below(2 ** 31)), plan.limits);
  await churn.warmUp();
  await churn.removeAll();
  await settled(cluster);
  const before = await inventory(cluster);
  say("pods that stay are there, and one of everything has come and gone");

  using samples = new Samples(cluster, plan.sampleMs);
  const begunNs = process.hrtime.bigint();
  await using traffic = await Traffic.start(cluster, cast, plan.packetIntervalUs);
  say("all traffic flows");
  const faults = new Faults({
    cluster,
    random: seeded(random.below(2 ** 31)),
    nodes: cluster.nodes.slice(0, plan.faultyNodes),
    otherObjects,
  });
  await disturb(plan, { churn, faults, pace: seeded(random.below(2 ** 31)), say });
  await churn.removeAll();
  const lastConvergenceMs = await cluster.converge();
  say("all that came is taken away");
  const result = await traffic.end();
  samples.take();
  const wrong = await settled(cluster, before);
  const after = await inventory(cluster);
  return {
    plan,
    begunNs,
    churn: churn.counts,
    faults: faults.done,
    traffic: result,
    processes: samples.processes,
    tables: samples.tables,
    restarts: Object.fromEntries(cluster.processes().map(({ name, restarts }) => [name, restarts])),
    lastConvergenceMs,
    before,
    after,
    contradictions: wrong,
    answers: answers.all,
    logs: readLogs(cluster, { faults: faults.done, answers: answers.all }),
  };
}

type Disturbance = {
  readonly churn: Churn;
  readonly faults: Faults;
  readonly pace: Random;
  readonly say: (line: string) => void;
};

/** Events all the time; faults beside them for a while, and as many as there must be however slow the machine is. */
async function disturb(plan: Plan, { churn, faults, pace, say }: Disturbance): Promise<void> {
  const calmMs = performance.now() + plan.faultsMs;
  let endMs = Infinity;
  const faultsGoOn = () => performance.now() < calmMs || faults.done.length < plan.leastFaults;
  await Promise.all([
    repeatWhile(
      () => performance.now() < endMs,
      plan.betweenStepsMs,
      pace,
      () => churn.step(),
    ),
    repeatWhile(faultsGoOn, plan.betweenFaultsMs, pace, async () => {
      const { kind, processes, relaidOut, fromNs, toNs } = await faults.next();
      const took = `${(toNs - fromNs) / 1_000_000n} ms`;
      say(`${kind} (${[...processes, ...relaidOut]}): all converged after ${took}`);
    }).finally(() => (endMs = performance.now() + plan.calmMs)),
  ]);
}

/** With pauses at random in between. */
async function repeatWhile(
  goesOn: () => boolean,
  pauses: { readonly least: number; readonly more: number },
  pace: Random,
  action: () => Promise<void>,
): Promise<void> {
  while (goesOn()) {
    await action();
    await sleep(pauses.least + pace.below(pauses.more + 1));
  }
}

/** Waits until all books agree, and what is there is what was there. Answers what still contradicts in the end. */
async function settled(cluster: Cluster, expected?: Inventory): Promise<string[]> {
  await cluster.converge();
  for (const deadline = performance.now() + settleMs; ; await sleep(500)) {
    const wrong = await contradictions(cluster);
    const isSame = !expected || isDeepStrictEqual(await inventory(cluster), expected);
    if ((wrong.length === 0 && isSame) || performance.now() > deadline) return wrong;
  }
}

async function inventory(cluster: Cluster): Promise<Inventory> {
  const each = async <T>(count: (node: string) => T | Promise<T>) => {
    const counted: [string, T][] = [];
    for (const node of cluster.nodes) counted.push([node, await count(node)]);
    return Object.fromEntries(counted);
  };
  return {
    census: await each((node) => census(cluster.lab, node)),
    tables: await each((node) => tableCounts(cluster, node)),
    programs: programCounts(cluster),
  };
}
