// What the bench of connections found, by route: ratios to a floor of the same round, and what clients waited.
import { microseconds, type Section, times } from "../../report.ts";
import { median } from "../../statistics.ts";
import type { Route } from "./path.ts";
import type { Measured, RoundOptions } from "./rounds.ts";

/** Names that sections know. */
export const names = {
  veth: "bare veth",
  plain: "plain routing",
  direct: "tsilium, the pod itself",
  socket: "tsilium, at connect()",
  packet: "tsilium, per packet",
  nodePort: "tsilium, node port",
} as const;

/** What was measured at each number of services. */
export type BySize = ReadonlyMap<number, readonly Measured[]>;

type Comparison = {
  readonly route: Route;
  readonly what: string;
  readonly floor: string;
  /** By a path's name. */
  readonly aims?: Readonly<Record<string, string>>;
  /** Only these; absent: all. */
  readonly rows?: readonly string[];
};

const routes: Readonly<Record<Route, string>> = {
  pod: "from a pod to a pod of its node",
  world: "from the world to a node port, pod on that node",
  "world-remote": "from the world to a node port, pod on another node",
};
const comparisons: readonly Comparison[] = [
  {
    route: "pod",
    what: "p50 against a bare veth pair",
    floor: names.veth,
    aims: { [names.socket]: "1.18x", [names.packet]: "1.18x" },
  },
  { route: "pod", what: "p50 against plain routing", floor: names.plain },
  {
    route: "pod",
    what: "p50 against the pod itself, by the same programs",
    floor: names.direct,
    aims: { [names.socket]: "1.00x", [names.packet]: "1.00x" },
    rows: [names.socket, names.packet],
  },
  { route: "world", what: "p50 against plain routing", floor: names.plain },
  { route: "world-remote", what: "p50 against plain routing", floor: names.plain },
];

export function pathSections(bySize: BySize, { rounds, durationMs }: RoundOptions): Section[] {
  const note = `connect/request/close, by number of services; client and server pinned to one CPU; ${rounds} interleaved rounds of ${durationMs} ms.`;
  return [
    ...comparisons.map((comparison) => compared(bySize, comparison, note)),
    ...(Object.keys(routes) as Route[]).map((route) => waited(bySize, route, note)),
  ];
}

function compared(bySize: BySize, comparison: Comparison, note: string): Section {
  const { route, what, floor, aims = {}, rows = namesOf(bySize, route) } = comparison;
  return {
    title: `${routes[route]}: ${what}`,
    note: `${note} The median over rounds of the ratio to "${floor}" of the same round.`,
    columns: ["", ...[...bySize.keys()].map(count), "aim: at most"],
    rows: rows.map((name) => [
      name,
      ...[...bySize.values()].map((measured) => ratio(measured, { route, name, floor })),
      aims[name] ?? "",
    ]),
  };
}

function waited(bySize: BySize, route: Route, note: string): Section {
  return {
    title: `${routes[route]}: microseconds, p50 / p99`,
    note: `${note} Medians over rounds.`,
    columns: ["", ...[...bySize.keys()].map(count)],
    rows: namesOf(bySize, route).map((name) => [
      name,
      ...[...bySize.values()].map((measured) => {
        const taken = takenOf(measured, route, name);
        if (taken.length === 0) return "";
        const p50 = microseconds(median(taken.map(({ p50Ns }) => p50Ns)));
        const p99 = microseconds(median(taken.map(({ p99Ns }) => p99Ns)));
        return `${p50} / ${p99}`;
      }),
    ]),
  };
}

type Pair = { readonly route: Route; readonly name: string; readonly floor: string };

/** Empty where either was not measured. */
function ratio(measured: readonly Measured[], { route, name, floor }: Pair): string {
  const base = takenOf(measured, route, floor);
  const ratios = takenOf(measured, route, name).flatMap(({ p50Ns }, round) => {
    const below = base[round];
    return below ? [p50Ns / below.p50Ns] : [];
  });
  return ratios.length === 0 ? "" : times(median(ratios));
}

function takenOf(measured: readonly Measured[], route: Route, name: string): Measured["taken"] {
  return measured.find((path) => path.route === route && path.name === name)?.taken ?? [];
}

/** In the order in which they were measured first. */
function namesOf(bySize: BySize, route: Route): string[] {
  const all = [...bySize.values()].flat().filter((path) => path.route === route);
  return [...new Set(all.map(({ name }) => name))];
}

function count(services: number): string {
  return services.toLocaleString("en");
}
