// `hubble status` in words. Pure.
import type { ServerStatusResponse } from "@tsilium/hubble/gen/observer/observer_pb.ts";
import { printable } from "../../../cli/src/output.ts";
import { formatDuration } from "../time/durations.ts";
import { alignedText } from "./aligned.ts";
import { grouped, percentage, rate } from "./numbers.ts";

/** Lines for people; `version` is said in the other forms only, as in Cilium's. */
export function statusCompact(status: ServerStatusResponse): string {
  const { numFlows, maxFlows, seenFlows, uptimeNs, flowsRate } = status;
  const ratio = maxFlows > 0n ? ` (${percentage(numFlows, maxFlows)})` : "";
  const perSecond = flowsRate > 0 ? flowsRate.toFixed(2) : (rate(seenFlows, uptimeNs) ?? "N/A");
  return [
    `Current/Max Flows: ${grouped(numFlows)}/${grouped(maxFlows)}${ratio}`,
    `Flows/s: ${perSecond}`,
    ...nodeLines(status),
    "",
  ].join("\n");
}

function nodeLines(status: ServerStatusResponse): string[] {
  const { numConnectedNodes: connected, numUnavailableNodes: unavailable } = status;
  const total = unavailable === undefined ? "" : `/${(connected ?? 0) + unavailable}`;
  const names = status.unavailableNodes.toSorted();
  const unnamed = (unavailable ?? 0) - names.length;
  return [
    ...(connected === undefined ? [] : [`Connected Nodes: ${connected}${total}`]),
    ...(unavailable ? [`Unavailable Nodes: ${unavailable}`] : []),
    ...(unavailable ? names.map((name) => `  - ${printable(name)}`) : []),
    ...(unavailable && names.length > 0 && unnamed > 0 ? [`  - and ${unnamed} more...`] : []),
  ];
}

export function statusDict(status: ServerStatusResponse): string {
  const [flows, max, seen, perSecond, uptime, connected, unavailable, version] = facts(status);
  return [
    `          NUM FLOWS: ${flows}`,
    `          MAX FLOWS: ${max}`,
    `         SEEN FLOWS: ${seen}`,
    `   FLOWS PER SECOND: ${perSecond}`,
    `             UPTIME: ${uptime}`,
    `NUM CONNECTED NODES: ${connected}`,
    ` NUM UNAVAIL. NODES: ${unavailable}`,
    `            VERSION: ${version}`,
    "",
  ].join("\n");
}

export function statusTable(status: ServerStatusResponse): string {
  const head = [
    "NUM FLOWS",
    "MAX FLOWS",
    "SEEN FLOWS",
    "FLOWS PER SECOND",
    "UPTIME",
    "NUM CONNECTED NODES",
    "NUM UNAVAILABLE NODES",
    "VERSION",
  ];
  return alignedText([head, facts(status)]);
}

function facts(status: ServerStatusResponse): string[] {
  return [
    grouped(status.numFlows),
    grouped(status.maxFlows),
    grouped(status.seenFlows),
    status.flowsRate > 0 ? status.flowsRate.toFixed(2) : "N/A",
    formatDuration(status.uptimeNs),
    String(status.numConnectedNodes ?? "N/A"),
    String(status.numUnavailableNodes ?? "N/A"),
    printable(status.version),
  ];
}
