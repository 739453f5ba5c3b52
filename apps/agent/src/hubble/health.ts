// How Hubble is, in one sentence, as `cilium status` has it.
import type { PartHealth } from "@tsilium/runtime";
import type { ClientStatus } from "./client.ts";
import type { HistoryStatus, HubbleStatus } from "./model.ts";

export function hubbleHealth({ down, status }: ClientStatus): Omit<PartHealth, "name"> {
  if (down !== undefined)
    return {
      state: "degraded",
      message: `the Hubble worker is down (${down}): flows are not told; packets take no notice`,
    };
  if (!status) return { state: "degraded", message: "starting" };
  const message = factsOf(status);
  const [first] = status.problems;
  if (first === undefined) return { state: "ok", message };
  const others = status.problems.length > 1 ? ` and ${status.problems.length - 1} more` : "";
  return { state: "degraded", message: `${first}${others}; ${message}` };
}

function factsOf(status: HubbleStatus): string {
  const { held, capacity, flowsPerSecond, metrics } = status;
  const share = ((100 * held) / capacity).toFixed(2);
  return [
    `Current/Max Flows: ${held}/${capacity} (${share}%), Flows/s: ${flowsPerSecond.toFixed(2)}`,
    `Metrics: ${metrics.length > 0 ? metrics.join(" ") : "Disabled"}`,
    `History: ${status.history ? historyText(status.history) : "Disabled"}`,
    `Lost: ${lossText(status)}`,
  ].join("  ");
}

function historyText({ flows, bytes, oldestMs, corrupt, lost }: HistoryStatus): string {
  const since = oldestMs === undefined ? "" : ` since ${new Date(oldestMs).toISOString()}`;
  const damage = corrupt > 0 ? `, ${corrupt} damaged parts passed over` : "";
  const losses = lost > 0 ? `, ${lost} flows not kept` : "";
  return `${flows} flows, ${(bytes / (1 << 20)).toFixed(1)} MiB${since}${damage}${losses}`;
}

function lossText({ lostInKernel, toldByKernel }: HubbleStatus): string {
  if (lostInKernel === 0) return "0";
  const share = (100 * lostInKernel) / (lostInKernel + toldByKernel);
  return `${lostInKernel} (${share.toFixed(2)}%)`;
}
