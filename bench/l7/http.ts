// What a request between two pods costs when an HTTP policy looks at it, beside what it costs through a HAProxy and an nginx that
// know nothing of us. Client, server and engine share one CPU: requests per second tell all the CPU time that a request takes.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchLab } from "../lab/lab.ts";
import { processCpuMs } from "../lab/cpu.ts";
import { times, type Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import type { HttpVariant } from "./http-variant.ts";
import { PlainProxies } from "./plain.ts";
import { ingressHttp, pairsOf, proxyPid, writePolicy } from "./pods.ts";
import { answering, ask, cpu, ended, originPort, startOrigin } from "./wrk.ts";

export type HttpOptions = {
  readonly rounds: number;
  /** Of one client run; whole seconds, at least one. */
  readonly durationMs: number;
};

type Measurement = {
  readonly perSecond: number;
  /** Of one connection. */
  readonly p50Us: number;
  /** CPU time of the engine for one request. */
  readonly engineUs: number;
};

type Way = HttpVariant & {
  /** Name of the way without a proxy in the same place. */
  readonly floor: string;
};

const manyConnections = 32;
/** A path, a method and a header, as policies have them. */
const rules = [
  { method: "POST", path: "/api/.*" },
  { method: "GET", path: "/", headerMatches: [{ name: "x-shop", value: "web" }] },
  { method: "GET", path: "/static/.*" },
];

export async function benchHttp(options: HttpOptions): Promise<Section[]> {
  await using parts = new AsyncDisposableStack();
  const plain = parts.use(await PlainProxies.start());
  const [routed, ...engines] = plain.variants as [HttpVariant, ...HttpVariant[]];
  const pods = await waysOfPods(parts);
  const ways = [
    ...pods,
    { ...routed, floor: routed.name },
    ...engines.map((engine) => ({ ...engine, floor: routed.name })),
  ];
  return [section(await measureAll(ways, options), ways, options)];
}

/** Plain proxies alone: for machines, and times, without an engine of ours. */
export async function benchPlainHttp(options: HttpOptions): Promise<Section[]> {
  await using plain = await PlainProxies.start();
  const floor = plain.variants[0]?.name ?? "";
  const ways = plain.variants.map((variant) => ({ ...variant, floor }));
  return [section(await measureAll(ways, options), ways, options)];
}

async function waysOfPods(parts: AsyncDisposableStack): Promise<Way[]> {
  const lab = parts.use(await BenchLab.up({ nodes: 1 }));
  const [open, held] = await pairsOf(lab, ["open", "held"]);
  if (!open || !held) throw new Error("no pods");
  for (const { server } of [open, held]) {
    const folder = mkdtempSync(join(tmpdir(), "tsi-bench-l7-"));
    parts.defer(() => rmSync(folder, { recursive: true, force: true }));
    const origin = await startOrigin(server.netns, folder);
    parts.defer(() => ended(origin, "SIGQUIT"));
  }
  await lab.force(async () => {
    await writePolicy(lab, "held", ingressHttp("held", originPort, rules));
  });
  const url = (address: string): string => `http://${address}:${originPort}/`;
  const floor = "pods, no policy";
  const enginePids = async () => [await proxyPid(lab, "engine-ingress")];
  await answering(held.client.netns, url(held.server.address));
  for (const pid of await enginePids()) execFileSync("taskset", ["-acp", cpu, String(pid)]);
  return [
    {
      name: floor,
      floor,
      clientNetns: open.client.netns,
      url: url(open.server.address),
      enginePids: () => Promise.resolve([]),
    },
    {
      name: "pods, HTTP policy",
      floor,
      clientNetns: held.client.netns,
      url: url(held.server.address),
      enginePids,
    },
  ];
}

/** By way, a measurement per round. */
type Measured = ReadonlyMap<string, readonly Measurement[]>;

async function measureAll(
  ways: readonly Way[],
  { rounds, durationMs }: HttpOptions,
): Promise<Measured> {
  const measured = new Map(ways.map(({ name }) => [name, [] as Measurement[]]));
  const seconds = Math.max(1, Math.round(durationMs / 1000));
  for (const way of ways) await measure(way, 1);
  for (let round = 0; round < rounds; round++)
    for (const way of shuffled(ways)) measured.get(way.name)?.push(await measure(way, seconds));
  return measured;
}

async function measure(way: Way, seconds: number): Promise<Measurement> {
  const { clientNetns, url } = way;
  const one = await ask(clientNetns, { url, connections: 1, seconds });
  const cpuBefore = await engineCpuMs(way);
  const many = await ask(clientNetns, { url, connections: manyConnections, seconds });
  const cpuMs = (await engineCpuMs(way)) - cpuBefore;
  return {
    perSecond: many.perSecond,
    p50Us: one.p50Us,
    engineUs: (cpuMs * 1000) / many.requests,
  };
}

async function engineCpuMs({ enginePids }: Way): Promise<number> {
  const pids = await enginePids();
  return pids.reduce((sum, pid) => sum + processCpuMs(pid), 0);
}

function section(
  measured: Measured,
  ways: readonly Way[],
  { rounds, durationMs }: HttpOptions,
): Section {
  const of = (name: string): readonly Measurement[] => measured.get(name) ?? [];
  const middle = (name: string, pick: (one: Measurement) => number): number =>
    median(of(name).map(pick));
  const ratio = (a: string, b: string, pick: (one: Measurement) => number): string =>
    times(median(of(a).map((one, round) => pick(one) / pick(of(b)[round] as Measurement))));
  const bare = ways.find(({ name }) => name.startsWith("haproxy"))?.name ?? "";
  const hasEngine = (name: string): boolean => middle(name, (one) => one.engineUs) > 0;
  return {
    title: "HTTP through a policy (aim: engine CPU at most 1.25x of plain HAProxy's)",
    note: `Keep-alive GETs by wrk to an nginx that answers at once; client, server and engine pinned to one CPU. ${rounds} interleaved rounds of ${durationMs} ms; requests per second over ${manyConnections} connections, p50 over one. Ratios are medians over rounds: of the time that a request takes, against the way without a proxy in the same place; of the engine's CPU time for a request, against plain HAProxy. "routed" and plain proxies: plain routing and TPROXY, no eBPF, no policy.`,
    columns: ["", "requests/s", "time", "p50 us", "engine us/request", "engine CPU"],
    rows: ways.map(({ name, floor }) => [
      name,
      Math.round(middle(name, (one) => one.perSecond)).toLocaleString("en"),
      ratio(name, floor, (one) => 1 / one.perSecond),
      Math.round(middle(name, (one) => one.p50Us)),
      hasEngine(name) ? middle(name, (one) => one.engineUs).toFixed(1) : "-",
      hasEngine(name) ? ratio(name, bare, (one) => one.engineUs) : "-",
    ]),
  };
}
