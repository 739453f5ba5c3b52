// Variants of a way between two pods, side by side: every variant in every round, in random order, each compared with
// the floor of the same round.
import type { ChildProcess } from "node:child_process";
import { microseconds, times, type Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { measure, startServer, type Kind, type Measurement } from "./netbench.ts";
import type { Family, Variant } from "./variant.ts";

export type Comparison = {
  readonly title: string;
  readonly kind: Kind;
  /** The first is the floor. */
  readonly variants: readonly Variant[];
  readonly rounds: number;
  /** Of one client run. */
  readonly durationMs: number;
};

const families: readonly Family[] = ["IPv4", "IPv6"];

/** Measures both families. */
export async function compare(comparison: Comparison): Promise<Section> {
  const byFamily = [];
  for (const family of families) byFamily.push(await measureAll(comparison, family));
  return section(comparison, byFamily);
}

/** By variant, a measurement per round. */
type Measured = ReadonlyMap<string, readonly Measurement[]>;

async function measureAll(
  { variants, kind, rounds, durationMs }: Comparison,
  family: Family,
): Promise<Measured> {
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
  { title, kind, variants, rounds, durationMs }: Comparison,
  byFamily: readonly Measured[],
): Section {
  const isStream = kind === "stream";
  const what = isStream ? "inverted throughput" : "p50";
  const [floor, ...others] = variants.map(({ name }) => name) as [string, ...string[]];
  const columns = families.flatMap((family) => [
    family,
    ...(isStream ? ["Gbit/s"] : ["p50 us", "p99 us"]),
  ]);
  return {
    title,
    note: `Client and server pinned to one CPU; ${rounds} interleaved rounds of ${durationMs} ms. The ratio is the median over rounds of ${what} against "${floor}" of the same round: more is slower.`,
    columns: ["", ...columns],
    rows: [floor, ...others].map((name) => [
      name,
      ...byFamily.flatMap((measured) => cells(measured, { name, floor, isStream })),
    ]),
  };
}

type CellOptions = { readonly name: string; readonly floor: string; readonly isStream: boolean };

function cells(measured: Measured, { name, floor, isStream }: CellOptions): string[] {
  const cost = (one: Measurement) => (isStream ? 1 / (one.bytesPerSecond ?? 0) : one.p50Ns);
  const base = (measured.get(floor) ?? []).map(cost);
  const all = measured.get(name) ?? [];
  const ratio = times(median(all.map((one, round) => cost(one) / (base[round] as number))));
  if (isStream)
    return [ratio, (median(all.map((one) => one.bytesPerSecond ?? 0)) * 8e-9).toFixed(2)];
  const middle = (pick: (one: Measurement) => number) => microseconds(median(all.map(pick)));
  return [ratio, middle((one) => one.p50Ns), middle((one) => one.p99Ns)];
}
