// The outcome in numbers: for people, and as JSON for who keeps them.
import type { Outcome } from "./endure.ts";
import { growths, heldComplaints, losses, median, tableGrowths } from "./judge.ts";

export function reportOf(outcome: Outcome) {
  const { plan, begunNs, faults, traffic, processes, tables } = outcome;
  const inMs = (ns: bigint) => Number(ns / 1_000_000n);
  const took = faults.map(({ fromNs, toNs }) => inMs(toNs - fromNs));
  const sum = <T>(list: readonly T[], count: (each: T) => number) =>
    list.reduce((total, each) => total + count(each), 0);
  return {
    seed: plan.seed,
    nodes: plan.nodes,
    faultsSeconds: plan.faultsMs / 1000,
    calmSeconds: plan.calmMs / 1000,
    events: { ...outcome.churn, ...countsOf(faults.map(({ kind }) => kind)) },
    faults: faults.map(({ kind, processes: names, relaidOut, fromNs, toNs, lagged }) => ({
      kind,
      processes: names,
      relaidOut,
      atMs: inMs(fromNs - begunNs),
      convergedAfterMs: inMs(toNs - fromNs),
      ...(lagged === undefined ? {} : { lagged }),
    })),
    restarts: outcome.restarts,
    convergence: {
      slowestMs: Math.max(0, ...took),
      medianMs: median(took),
      lastMs: outcome.lastConvergenceMs,
    },
    packets: {
      sent: sum(traffic.flows, ({ sent }) => sent),
      arrived: sum(traffic.flows, ({ arrived }) => arrived),
      lost: sum(traffic.flows, ({ lost }) => lost),
      losses: losses(traffic, outcome),
      flows: traffic.flows.map(({ who, sent, arrived, lost }) => ({ who, sent, arrived, lost })),
    },
    knocks: {
      allowed: traffic.allowedKnocks.map(({ who, sent, arrived }) => ({ who, sent, arrived })),
      forbidden: traffic.forbiddenKnocks.map(({ who, sent, arrived }) => ({ who, sent, arrived })),
    },
    connections: {
      held: traffic.held.map(({ who, flows }) => ({
        who,
        flows: flows.length,
        requests: sum(flows, ({ requests }) => requests),
        answers: sum(flows, ({ answers }) => answers),
        broken: flows.filter(({ broken }) => broken).length,
        unansweredAtMs: flows.flatMap(({ unansweredNs }) =>
          unansweredNs.map((ns) => inMs(ns - begunNs)),
        ),
        longestMs: Math.max(...flows.map(({ longestMs }) => longestMs)),
      })),
      heldComplaints: heldComplaints(traffic.held, outcome.faults),
      fresh: traffic.fresh.map(({ who, asked, answered, failed }) => ({
        who,
        asked,
        answered,
        failed: failed.map(({ what, atNs }) => `${what} at ${inMs(atNs - begunNs)} ms`),
      })),
    },
    memory: {
      growth: growths(processes, plan.warmUpMs),
      series: seriesOf(outcome),
    },
    tables: {
      most: tableGrowths(tables),
      last: tables.slice(-plan.nodes),
    },
    apiServer: {
      asked: outcome.answers.length,
      answered: outcome.answers.filter(({ isAnswered }) => isAnswered).length,
      medianMs: median(outcome.answers.map(({ tookMs }) => tookMs)),
      longestMs: Math.max(0, ...outcome.answers.map(({ tookMs }) => tookMs)),
    },
    contradictions: outcome.contradictions,
    logs: outcome.logs,
  };
}

export type Report = ReturnType<typeof reportOf>;

/** "process: [ms, KiB, descriptors]". */
function seriesOf({ processes }: Outcome): Record<string, number[][]> {
  const series: Record<string, number[][]> = {};
  for (const { process, atMs, rssKiB, descriptors } of processes)
    (series[process] ??= []).push([atMs, rssKiB, descriptors]);
  return series;
}

function countsOf(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** At most so many points of a series are printed. */
const printedPoints = 12;

/** The report as lines to read. */
export function textOf(report: Report): string[] {
  const { packets, knocks, connections, convergence, memory, tables, logs } = report;
  const arrived = (list: readonly { sent: number; arrived: number }[]) =>
    `${list.reduce((sum, each) => sum + each.arrived, 0)} of ${list.reduce((sum, each) => sum + each.sent, 0)}`;
  const pairs = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ");
  const [answers, requests] = (["answers", "requests"] as const).map((what) =>
    connections.held.reduce((sum, each) => sum + each[what], 0),
  );
  const fresh = connections.fresh;
  return [
    `seed ${report.seed}, ${report.nodes} nodes, ${report.faultsSeconds} s with faults, ${report.calmSeconds} s without`,
    `events: ${pairs(report.events)}`,
    `restarts: ${pairs(report.restarts)}`,
    `packets between pods that stay: ${packets.sent} sent, ${packets.arrived} arrived, ${packets.lost} lost`,
    ...packets.losses.map(
      ({ who, count, atMs, during, isExcused }) =>
        `  lost: ${count} of ${who} at ${atMs} ms, during ${during}${isExcused ? " (its node's layout changed)" : ""}`,
    ),
    `first packets that policy allows: ${arrived(knocks.allowed)} arrived; that it denies: ${arrived(knocks.forbidden)} arrived`,
    `through services and to the world: ${answers} of ${requests} requests answered, longest ${Math.max(...connections.held.map(({ longestMs }) => longestMs))} ms`,
    `new connections to the service: ${fresh.reduce((sum, each) => sum + each.answered, 0)} of ${fresh.reduce((sum, each) => sum + each.asked, 0)} answered`,
    `convergence after a fault: median ${convergence.medianMs} ms, slowest ${convergence.slowestMs} ms; after everything went: ${convergence.lastMs} ms`,
    `API server: ${report.apiServer.answered} of ${report.apiServer.asked} questions answered, median ${report.apiServer.medianMs} ms, longest ${report.apiServer.longestMs} ms`,
    ...report.faults
      .filter(({ lagged }) => lagged !== undefined)
      .map(({ kind, convergedAfterMs, lagged }) => `  ${kind}, ${convergedAfterMs} ms: ${lagged}`),
    ...memory.growth.map(
      ({ process, firstKiB, lastKiB, fromMs, toMs, samples }) =>
        `memory of ${process}: median ${mib(firstKiB)} -> ${mib(lastKiB)} MiB (${samples} samples from ${Math.round(fromMs / 1000)} to ${Math.round(toMs / 1000)} s)`,
    ),
    ...Object.entries(memory.series).map(
      ([process, points]) =>
        `memory of ${process} in MiB: ${thinned(points)
          .map(([, rssKiB = 0]) => mib(rssKiB))
          .join(" ")}`,
    ),
    ...tables.most.map(
      ({ node, connections: [middle, last], translations: [natMiddle, natLast] }) =>
        `${node}: at most ${middle} connections, then ${last}; translations ${natMiddle}, then ${natLast}`,
    ),
    `logged errors: ${logs.unexplained.length} unexplained${pairs(logs.explained) ? `, ${pairs(logs.explained)}` : ""}; warnings: ${pairs(logs.warnings)}`,
  ];
}

function mib(kib: number): string {
  return (kib / 1024).toFixed(0);
}

function thinned<T>(points: readonly T[]): T[] {
  const step = Math.max(1, Math.ceil(points.length / printedPoints));
  return points.filter((_, at) => at % step === 0);
}
