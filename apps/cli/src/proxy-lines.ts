// What a proxy enforces, in lines under its own in `tsilium status`. Pure.
import type { ProxyView } from "./api.ts";

type Listener = ProxyView["listeners"][number];

/** Counts, what is to be known of single listeners, and the listeners. */
export function proxyLines(proxy: ProxyView): string[] {
  const { connections = 0, requests, listeners, notes = [] } = proxy;
  const counts = requests
    ? [
        `${countOf(connections, "connection")}, requests: ${requests.forwarded} forwarded, ${requests.denied} denied, ${requests.errors} errors`,
      ]
    : [];
  const rows = listeners.map((listener) => listenerLine(listener, proxy.problem));
  return [...counts, ...notes, ...rows];
}

/** @param known what the proxy's own line says already */
function listenerLine(listener: Listener, known: string | undefined): string {
  const { port, kind, rules, version, acknowledged, problem } = listener;
  const what = `listener ${port}: ${kind}, ${countOf(rules, "rule")}, version ${version}`;
  if (problem !== undefined && problem === known) return `${what} lets nothing through`;
  if (problem !== undefined) return `${what} lets nothing through: ${problem}`;
  if (acknowledged === version) return `${what} in force`;
  return `${what} not acknowledged, ${acknowledged ?? "none"} in force`;
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
