// DNS questions between two pods: past the DNS proxy, through it, and through it while names are learnt for toFQDNs (the answer
// is held until the kernel has its address).
import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { projectRoot, withNetns } from "@tsilium/syscall";
import { processCpuMs } from "../lab/cpu.ts";
import { BenchLab } from "../lab/lab.ts";
import { microseconds, type Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { egressDns, type Pair, pairsOf, proxyPid, writePolicy } from "./pods.ts";
import { cpu } from "./wrk.ts";

export type DnsOptions = { readonly rounds: number; readonly durationMs: number };

type Load = {
  readonly count: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly perSecond: number;
  readonly lost: number;
  readonly refused: number;
};

type Measurement = {
  /** One question at a time, everything on one CPU. */
  readonly one: Load;
  /** Many at a time, the proxy on a CPU of its own. */
  readonly many: Load;
  /** CPU time of the proxy for one question. */
  readonly proxyUs: number;
};

type Way = { readonly name: string; readonly pair: Pair; readonly isProxied: boolean };

const run = promisify(execFile);
const binary = join(projectRoot(), "dist/bin/dnsbench");
const window = 64;
const names = 100;
const proxyCpu = "0";

/** For a second after two clients asked in turn each is held to its share (apps/dns-proxy/src/turns.ts): that is not what is measured. */
const leastMs = 1_000;

export async function benchDns({ rounds, durationMs }: DnsOptions): Promise<Section[]> {
  const options = { rounds, durationMs: Math.max(durationMs, leastMs) };
  await using parts = new AsyncDisposableStack();
  const lab = parts.use(await BenchLab.up({ nodes: 1 }));
  const [open, judged, learnt] = (await pairsOf(lab, ["open", "judged", "learnt"])) as [
    Pair,
    Pair,
    Pair,
  ];
  for (const { server } of [open, judged, learnt]) {
    const process = await startServer(server.netns);
    parts.defer(() => void process.kill("SIGKILL"));
  }
  const pattern = { matchPattern: "*.bench.test" };
  await lab.force(async () => {
    await writePolicy(lab, "judged", egressDns("judged", [pattern]));
    await writePolicy(lab, "learnt", egressDns("learnt", [pattern], [pattern]));
  });
  const ways: readonly Way[] = [
    { name: "no policy", pair: open, isProxied: false },
    { name: "DNS rules", pair: judged, isProxied: true },
    { name: "DNS rules and toFQDNs", pair: learnt, isProxied: true },
  ];
  return [section(await measureAll(lab, ways, options), ways, options)];
}

/** A DNS server in a namespace that answers everything at once. */
export async function startServer(netns: string): Promise<ChildProcess> {
  const server = withNetns(netns, () =>
    spawn(binary, ["server", "53", "--cpu", cpu], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  await once(server.stdout, "data");
  return server;
}

type Measured = ReadonlyMap<string, readonly Measurement[]>;

async function measureAll(
  lab: BenchLab,
  ways: readonly Way[],
  { rounds, durationMs }: DnsOptions,
): Promise<Measured> {
  const measured = new Map(ways.map(({ name }) => [name, [] as Measurement[]]));
  const pid = await proxyPid(lab, "dns");
  for (const way of ways) await measure(way, { pid, durationMs });
  for (let round = 0; round < rounds; round++)
    for (const way of shuffled(ways))
      measured.get(way.name)?.push(await measure(way, { pid, durationMs }));
  return measured;
}

async function measure(
  { pair, isProxied, name }: Way,
  { pid, durationMs }: { readonly pid: number; readonly durationMs: number },
): Promise<Measurement> {
  pin(pid, cpu);
  const one = await ask(pair, { window: 1, durationMs });
  pin(pid, proxyCpu);
  const before = processCpuMs(pid);
  const many = await ask(pair, { window, durationMs });
  const proxyUs = isProxied ? ((processCpuMs(pid) - before) * 1000) / many.count : 0;
  if (one.refused + many.refused > 0) throw new Error(`${name}: questions were refused`);
  return { one, many, proxyUs };
}

function pin(pid: number, to: string): void {
  execFileSync("taskset", ["-acp", to, String(pid)], { stdio: "ignore" });
}

async function ask(
  { client, server }: Pair,
  { window: open, durationMs }: { readonly window: number; readonly durationMs: number },
): Promise<Load> {
  const numbers = { "--cpu": cpu, "--ms": durationMs, "--window": open, "--names": names };
  const args = ["client", server.address, "53", ...Object.entries(numbers).flat().map(String)];
  const { stdout } = await withNetns(client.netns, () => ({ done: run(binary, args) })).done;
  return JSON.parse(stdout) as Load;
}

function section(
  measured: Measured,
  ways: readonly Way[],
  { rounds, durationMs }: DnsOptions,
): Section {
  const of = (name: string): readonly Measurement[] => measured.get(name) ?? [];
  const floor = of(ways[0]?.name ?? "");
  return {
    title:
      "DNS through a policy (aim: 20,000 questions a second on one core, under 200 us added at p50)",
    note: `UDP questions about ${names} names to a server that answers at once. ${rounds} interleaved rounds of ${durationMs} ms. p50 and what is added to it: one question at a time, client, server and proxy on one CPU. Questions per second: ${window} at a time, the proxy on a CPU of its own; of a core: by the proxy's CPU time.`,
    columns: ["", "p50 us", "added us", "questions/s", "proxy us/question", "per core", "lost"],
    rows: ways.map(({ name, isProxied }) => {
      const all = of(name);
      const added = all.map(
        ({ one }, round) => one.p50Ns - (floor[round] as Measurement).one.p50Ns,
      );
      const proxyUs = median(all.map((each) => each.proxyUs));
      return [
        name,
        microseconds(median(all.map(({ one }) => one.p50Ns))),
        microseconds(median(added)),
        Math.round(median(all.map(({ many }) => many.perSecond))).toLocaleString("en"),
        isProxied ? proxyUs.toFixed(1) : "-",
        isProxied ? Math.round(1_000_000 / proxyUs).toLocaleString("en") : "-",
        all.reduce((sum, { one, many }) => sum + one.lost + many.lost, 0),
      ];
    }),
  };
}
