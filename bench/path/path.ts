// What the way between two pods costs: every variant in every round, in random order, each compared with the
// bare veth pair of the same round.
import type { ChildProcess } from "node:child_process";
import { Topology } from "@tsilium/testkit";
import { TestCluster } from "../../packages/datapath/src/testing/cluster.ts";
import { microseconds, times, type Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { redirectPeer, veth } from "./floors.ts";
import { kinds, measure, startServer, type Kind, type Measurement } from "./netbench.ts";
import { betweenPods } from "./tsilium.ts";
import type { Family, Variant } from "./variant.ts";

export type PathOptions = {
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
  readonly families: readonly Family[];
  readonly kinds?: readonly Kind[];
};

const floor = "bare veth";
const titles: Readonly<Record<Kind, string>> = {
  rr: "request/response (TCP)",
  crr: "connect/request/close (TCP)",
  stream: "stream (TCP)",
  udp: "request/response (UDP)",
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
    betweenPods(native, "cross-node, native", 3),
    betweenPods(tunnel, "cross-node, VXLAN", 3),
  ];
  const sections: Section[] = [];
  for (const kind of options.kinds ?? kinds)
    for (const family of options.families)
      sections.push(await benchKind(variants, { ...options, kind, family }));
  return sections;
}

type KindOptions = PathOptions & { readonly kind: Kind; readonly family: Family };

async function benchKind(variants: readonly Variant[], options: KindOptions): Promise<Section> {
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
    return section(measured, options);
  } finally {
    stop(servers);
  }
}

function stop(servers: readonly ChildProcess[]): void {
  for (const server of servers) server.kill("SIGKILL");
}

function section(
  measured: ReadonlyMap<string, readonly Measurement[]>,
  options: KindOptions,
): Section {
  const { kind, family, rounds, durationMs } = options;
  const isStream = kind === "stream";
  // Of a stream what matters is how much gets through: a ratio above 1 is slower in either case.
  const cost = (one: Measurement) => (isStream ? 1 / (one.bytesPerSecond ?? 0) : one.p50Ns);
  const base = (measured.get(floor) ?? []).map(cost);
  const rows = [...measured].map(([name, all]) => {
    const ratios = all.map((one, round) => cost(one) / (base[round] as number));
    const middle = isStream
      ? (median(all.map(({ bytesPerSecond = 0 }) => bytesPerSecond)) * 8e-9).toFixed(2)
      : microseconds(median(all.map(({ p50Ns }) => p50Ns)));
    const tail = microseconds(median(all.map(({ p99Ns }) => p99Ns)));
    return [name, times(median(ratios)), middle, ...(isStream ? [] : [tail])];
  });
  return {
    title: `${titles[kind]}, ${family}`,
    note: `Client and server on one CPU; ${rounds} interleaved rounds of ${durationMs} ms; ratio: median over rounds of ${isStream ? "throughput" : "p50"} against the bare veth pair of the same round (more is slower).`,
    columns: ["", "ratio", ...(isStream ? ["Gbit/s"] : ["p50 us", "p99 us"])],
    rows,
  };
}
