// What the way between two pods costs: every variant in every round, in random order, each compared with the
// bare veth pair of the same round.
import type { ChildProcess } from "node:child_process";
import { Topology } from "@tsilium/testkit";
import { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import { microseconds, times, type Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { redirectPeer, veth } from "./floors.ts";
import { kinds, measure, startServer, type Kind, type Measurement } from "./netbench.ts";
import { routed } from "./routed.ts";
import { betweenPods } from "./tsilium.ts";
import type { Family, Variant } from "./variant.ts";

export type PathOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

const families: readonly Family[] = ["IPv4", "IPv6"];
/** The variant that the others are compared with. */
const floor = "bare veth";

const titles: Readonly<Record<Kind, string>> = {
  rr: "request/response over TCP (aim: local pods at most 1.12x)",
  crr: "connect/request/close over TCP (aim: local pods at most 1.18x)",
  stream: "stream over TCP",
  udp: "request/response over UDP",
};

/** Builds every variant, measures them interleaved, and takes everything down again. */
export async function benchPath(options: PathOptions): Promise<Section[]> {
  using topology = new Topology();
  await using tunnel = await TestCluster.up({ routingMode: "tunnel" });
  await using native = await TestCluster.up({ routingMode: "native" });
  const variants = [
    veth(topology),
    redirectPeer(topology),
    betweenPods(tunnel, "local pods", 2),
    routed(topology),
    betweenPods(native, "pods across nodes, native", 3),
    betweenPods(tunnel, "pods across nodes, VXLAN", 3),
  ];
  const sections: Section[] = [];
  for (const kind of kinds) {
    const byFamily = [];
    for (const family of families)
      byFamily.push(await measureAll(variants, { ...options, kind, family }));
    sections.push(section(kind, byFamily, options));
  }
  return sections;
}

type Measured = ReadonlyMap<string, readonly Measurement[]>;
type RunOptions = PathOptions & { readonly kind: Kind; readonly family: Family };

/** One measurement per round and variant, by variant. */
async function measureAll(variants: readonly Variant[], options: RunOptions): Promise<Measured> {
  const { kind, family, rounds, durationMs } = options;
  const servers = await Promise.all(
    variants.map(({ serverNetns }) => startServer(serverNetns, kind)),
  );
  try {
    const measured = new Map(variants.map(({ name }) => [name, [] as Measurement[]]));
    for (let round = 0; round < rounds; round++)
      for (const { name, clientNetns, serverAddress } of shuffled(variants)) {
        const address = serverAddress[family];
        measured.get(name)?.push(await measure(clientNetns, { kind, address, durationMs }));
      }
    return measured;
  } finally {
    stop(servers);
  }
}

function stop(servers: readonly ChildProcess[]): void {
  for (const server of servers) server.kill("SIGKILL");
}

function section(
  kind: Kind,
  byFamily: readonly Measured[],
  { rounds, durationMs }: PathOptions,
): Section {
  const isStream = kind === "stream";
  const what = isStream ? "inverted throughput" : "p50";
  const columns = families.flatMap((family) => [
    family,
    ...(isStream ? ["Gbit/s"] : ["p50 us", "p99 us"]),
  ]);
  const names = [...(byFamily[0]?.keys() ?? [])];
  return {
    title: titles[kind],
    note: `Client and server pinned to one CPU; ${rounds} interleaved rounds of ${durationMs} ms. The ratio is the median over rounds of ${what} against the bare veth pair of the same round: more is slower.`,
    columns: ["", ...columns],
    rows: names.map((name) => [
      name,
      ...byFamily.flatMap((measured) => cells(measured, { name, isStream })),
    ]),
  };
}

function cells(
  measured: Measured,
  { name, isStream }: { readonly name: string; readonly isStream: boolean },
): string[] {
  const cost = (one: Measurement) => (isStream ? 1 / (one.bytesPerSecond ?? 0) : one.p50Ns);
  const base = (measured.get(floor) ?? []).map(cost);
  const all = measured.get(name) ?? [];
  const ratio = times(median(all.map((one, round) => cost(one) / (base[round] as number))));
  if (isStream)
    return [ratio, (median(all.map((one) => one.bytesPerSecond ?? 0)) * 8e-9).toFixed(2)];
  const middle = (pick: (one: Measurement) => number) => microseconds(median(all.map(pick)));
  return [ratio, middle((one) => one.p50Ns), middle((one) => one.p99Ns)];
}
