// Configuration keys of node-to-node health. Names are Cilium's but for the interval's.
import { duration, flag, wholeNumber } from "@tsilium/runtime/config.ts";

export const healthKeys = {
  "enable-health-checking": flag(
    true,
    "probe the other nodes, and answer their probes, to tell which of them are reachable",
  ),
  "enable-endpoint-health-checking": flag(
    true,
    "have a health endpoint, in a network namespace of its own, that other nodes probe as they reach pods",
  ),
  "cluster-health-port": wholeNumber(
    4240,
    [1, 65535],
    "TCP port of probes, at nodes and at health endpoints; the same everywhere",
  ),
  "health-check-icmp-failure-threshold": wholeNumber(
    3,
    [1, 100],
    "ICMP echo requests that must stay without an answer before an address counts as unreachable",
  ),
  "health-check-interval": duration(
    60_000,
    "time between probes of a node, to be multiplied by ln(1 + nodes): 42 s for one node, 66 s for two, 277 s for 100",
  ),
};
