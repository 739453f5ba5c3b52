// Node-to-node health in words. Pure.
import type { AddressesView, HealthStatusView, NodeHealthView, PathView } from "../api.ts";
import type { Column } from "../output.ts";

/** One address of a node. */
export type PathRow = { readonly node: string; readonly what: string; readonly path: PathView };

/** A line per node. */
export function nodeColumns(localName: string): readonly Column<NodeHealthView>[] {
  return [
    ["NODE", ({ name }) => (name === localName ? `${name} (this one)` : name)],
    ["ADDRESS", ({ host }) => host?.["primary-address"].ip ?? "-"],
    ["NODE REACHED", ({ host }) => verdict(host)],
    ["PODS REACHED", (node) => verdict(node["health-endpoint"])],
  ];
}

export const pathColumns: readonly Column<PathRow>[] = [
  ["NODE", ({ node }) => node],
  ["PATH", ({ what }) => what],
  ["ADDRESS", ({ path }) => path.ip],
  ["ICMP", ({ path }) => answerText(path.icmp)],
  ["HTTP", ({ path }) => answerText(path.http)],
];

/** A line per address. */
export function pathRows({ nodes }: HealthStatusView): PathRow[] {
  return nodes.flatMap((node) => [
    ...pathsOf(node.host).map((path) => ({ node: node.name, what: "node", path })),
    ...pathsOf(node["health-endpoint"]).map((path) => ({
      node: node.name,
      what: "health endpoint",
      path,
    })),
  ]);
}

/** "Cluster health: 2/3 reachable (2026-11-26T16:00:00.000Z, every 77 s)" */
export function reachableLine(view: HealthStatusView): string {
  const { nodes, timestamp, probeInterval, disabled } = view;
  if (disabled) return "Cluster health: disabled (enable-health-checking is false)";
  const reached = nodes.filter((node) =>
    [...pathsOf(node.host), ...pathsOf(node["health-endpoint"])].every(
      (path) => wordOf(path) === "yes",
    ),
  ).length;
  const when = timestamp ?? "not probed yet";
  return `Cluster health: ${reached}/${nodes.length} reachable (${when}, every ${Math.round(probeInterval)} s)`;
}

/** "yes", "no: why", "not probed", "-" where there is nothing to reach. */
function verdict(addresses: AddressesView | undefined): string {
  const paths = pathsOf(addresses);
  if (paths.length === 0) return "-";
  const bad = paths.find((path) => wordOf(path) === "no");
  if (bad) return `no: ${bad.ip}: ${bad.icmp?.status || bad.http?.status}`;
  return paths.every((path) => wordOf(path) === "yes") ? "yes" : "not probed";
}

function wordOf({ icmp, http }: PathView): "yes" | "no" | "unknown" {
  if (icmp?.status || http?.status) return "no";
  return icmp && http ? "yes" : "unknown";
}

function pathsOf(addresses: AddressesView | undefined): PathView[] {
  if (!addresses) return [];
  return [addresses["primary-address"], ...(addresses["secondary-addresses"] ?? [])];
}

function answerText(result: PathView["icmp"]): string {
  if (!result) return "not probed";
  if (result.status !== "") return result.status;
  return `${((result.latency ?? 0) / 1e6).toFixed(2)} ms`;
}
