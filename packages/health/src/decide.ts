// What results say, and when to probe again. Pure.
import type { Connectivity, HealthTarget, NodeHealth, PathHealth, ProbeResult } from "./model.ts";

/**
 * Time between two probes of one node: the base times ln(1 + nodes), as Cilium's, so that what a cluster spends on probes
 * grows by nodes x nodes / log and not by nodes x nodes. 60 s make 42 s for one node, 66 s for two, 277 s for a hundred.
 */
export function probeIntervalMs(baseMs: number, nodes: number): number {
  return Math.round(baseMs * Math.log1p(Math.max(1, nodes)));
}

/** A node that is new and did not answer is asked again after these times: most are just starting. */
const earlyMs: readonly number[] = [5_000, 15_000];

/**
 * Time until a node is asked again, without jitter. `asked`: how often it was since it was new or got new addresses. This
 * node itself is hurried once only, since its silence has its health endpoint made anew.
 */
export function nextProbeMs(node: NodeHealth, asked: number, intervalMs: number): number {
  const early = nodeConnectivity(node) === "reachable" ? undefined : earlyMs[asked - 1];
  if (early === undefined || (node.local && asked > 1)) return intervalMs;
  return Math.min(early, intervalMs);
}

/** An address is reachable when it answered each protocol the last time it was asked. */
export function pathConnectivity({ icmp, http }: PathHealth): Connectivity {
  const results = [icmp, http];
  if (results.some((result) => result !== undefined && "problem" in result)) return "unreachable";
  return results.every((result) => result !== undefined) ? "reachable" : "unknown";
}

/** All addresses of a kind together: one that does not answer is enough to be unreachable. */
export function connectivity(paths: readonly PathHealth[]): Connectivity {
  const found = new Set(paths.map(pathConnectivity));
  if (found.has("unreachable")) return "unreachable";
  return found.has("unknown") ? "unknown" : "reachable";
}

/** The node and, where it has one, its health endpoint. */
export function nodeConnectivity({ host, endpoint }: NodeHealth): Connectivity {
  return connectivity([...host, ...endpoint]);
}

/** "2/3 reachable", for a line of `status`. */
export function reachableText(nodes: readonly NodeHealth[]): string {
  const reachable = nodes.filter((node) => nodeConnectivity(node) === "reachable").length;
  return `${reachable}/${nodes.length} reachable`;
}

/** What is known of a node whose addresses may have changed: results of addresses that it still has. */
export function carriedOver(target: HealthTarget, before: NodeHealth | undefined): NodeHealth {
  const known = [...(before?.host ?? []), ...(before?.endpoint ?? [])];
  const paths = (addresses: HealthTarget["host"]): PathHealth[] =>
    addresses.map(
      (address) =>
        known.find((path) => path.address.equals(address)) ?? {
          address,
          icmp: undefined,
          http: undefined,
        },
    );
  const { name, local, host, endpoint } = target;
  return { name, local, host: paths(host), endpoint: paths(endpoint) };
}

/** Whether a node is probed at the same addresses. */
export function sameTarget(a: HealthTarget, b: HealthTarget): boolean {
  const text = ({ host, endpoint }: HealthTarget) => `${host.join()} ${endpoint.join()}`;
  return a.name === b.name && a.local === b.local && text(a) === text(b);
}

/** True for an answer. */
export function isAnswer(
  result: ProbeResult | undefined,
): result is Extract<ProbeResult, { latencyMs: number }> {
  return result !== undefined && "latencyMs" in result;
}
