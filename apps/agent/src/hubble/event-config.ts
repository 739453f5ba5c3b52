// What the kernel is to tell, from the agent's configuration. Pure.
import type { EventConfig, TraceLevel } from "@tsilium/datapath/model.ts";
import type { AgentConfig } from "../config/keys.ts";
import { tcpFlagBits } from "../config/hubble-keys.ts";

/** As bpf/config.h has them. */
const usualRates = { verdicts: 10_000, traces: 100_000 } as const;

export function eventConfig(config: AgentConfig): EventConfig {
  const rate = config["bpf-events-default-rate-limit"];
  const flags = config["monitor-aggregation-flags"];
  return {
    verdictsPerSecond: rate || usualRates.verdicts,
    tracesPerSecond: rate || usualRates.traces,
    traceFlags: flags.reduce((bits, name) => bits | tcpFlagBits[name], 0),
    traceIntervalMs: config["monitor-aggregation-interval"],
  };
}

/** The level that Hubble wants. */
export function hubbleTraceLevel(config: AgentConfig): TraceLevel {
  if (!config["enable-hubble"]) return "off";
  switch (config["monitor-aggregation"]) {
    case "none":
    case "disabled":
      return "all";
    case "lowest":
    case "low":
      return "sent";
    case "medium":
    case "max":
    case "maximum":
      return "connections";
  }
}
