// The services' part of the datapath's configuration. Pure but for `findCgroupRoot`.
import { readFileSync } from "node:fs";
import type { ServiceConfig } from "@tsilium/datapath/model.ts";
import type { AgentConfig } from "../config/keys.ts";
import { maglevSeed } from "../config/maglev-seed.ts";
import { servesOutside } from "../config/service-contradictions.ts";

/** Where systemd and the manifests mount it. */
const usualRoot = "/sys/fs/cgroup";

const accelerations = {
  disabled: "disabled",
  native: "native",
  "best-effort": "best-effort",
  "testing-only": "generic",
} as const;

export function serviceConfig(config: AgentConfig): ServiceConfig {
  const hostOnly = config["bpf-lb-sock-hostns-only"];
  const mapMax = config["bpf-lb-map-max"];
  return {
    socketLb: !config["bpf-lb-sock"] ? "none" : hostOnly ? "host" : "all",
    cgroupRoot: config["cgroup-root"] || findCgroupRoot(),
    nodePort: servesOutside(config),
    nodePortRange: config["node-port-range"],
    bindProtection: config["node-port-bind-protection"] && config["enable-node-port"],
    dsr: returnsDirectly(config) ? config["bpf-lb-dsr-dispatch"] : "none",
    externalClusterIp: config["bpf-lb-external-clusterip"],
    acceleration: accelerations[config["bpf-lb-acceleration"]],
    maglevTableSize: config["bpf-lb-maglev-table-size"],
    maglevSeed: maglevSeed(config["bpf-lb-maglev-hash-seed"]).flow,
    mapMax: mapMax === 0 ? undefined : mapMax,
  };
}

/** Whether some services may be served by DSR. */
function returnsDirectly(config: AgentConfig): boolean {
  return config["bpf-lb-mode"] !== "snat" || config["bpf-lb-mode-annotation"];
}

/** The first cgroup2 mount; without one the usual place, and the datapath reports what is missing there. */
export function findCgroupRoot(): string {
  return cgroup2Mount(readFileSync("/proc/self/mounts", "utf8")) ?? usualRoot;
}

/** @param mounts lines of proc_mounts(5): source, mount point, type, options */
export function cgroup2Mount(mounts: string): string | undefined {
  const lines = mounts.split("\n").map((line) => line.split(" "));
  const found = lines.find(([, , type]) => type === "cgroup2")?.[1];
  // Blanks and the like are written in octal.
  return found?.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
