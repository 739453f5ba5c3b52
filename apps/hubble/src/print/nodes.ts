// `hubble list` in words. Pure.
import type { Namespace, Node } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { printable } from "../../../cli/src/output.ts";
import { formatDuration } from "../time/durations.ts";
import { alignedText } from "./aligned.ts";
import { rate } from "./numbers.ts";

const states = ["Unknown", "Connected", "Unavailable", "Gone", "Error"];
const second = 1_000_000_000n;

export function nodesText(nodes: readonly Node[], wide: boolean): string {
  const head = ["NAME", "STATUS", "AGE", "FLOWS/S", "CURRENT/MAX-FLOWS"];
  const rows = nodes.map((node) => {
    const uptimeNs = ((node.uptimeNs + second / 2n) / second) * second;
    return [
      printable(node.name),
      states[node.state] ?? "Unknown",
      uptimeNs > 0n ? formatDuration(uptimeNs) : "N/A",
      rate(node.seenFlows, uptimeNs) ?? "N/A",
      currentOfMax(node),
      ...(wide ? [printable(node.version) || "N/A", printable(node.address), tlsText(node)] : []),
    ];
  });
  return alignedText([[...head, ...(wide ? ["VERSION", "ADDRESS", "TLS"] : [])], ...rows]);
}

function currentOfMax({ numFlows, maxFlows }: Node): string {
  if (maxFlows === 0n) return "N/A";
  const percent = ((Number(numFlows) / Number(maxFlows)) * 100).toFixed(2).padStart(6);
  return `${numFlows}/${maxFlows} (${percent}%)`;
}

function tlsText({ tls }: Node): string {
  if (!tls) return "N/A";
  return tls.enabled ? "Enabled" : "Disabled";
}

export function namespacesText(namespaces: readonly Namespace[], wide: boolean): string {
  const rows = namespaces.map(({ namespace, cluster }) => [
    printable(namespace),
    ...(wide ? [printable(cluster)] : []),
  ]);
  return alignedText([["NAMESPACE", ...(wide ? ["CLUSTER"] : [])], ...rows]);
}
