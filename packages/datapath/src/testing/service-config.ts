// The services' part of a test's configuration, for tests that do not care: everything that is optional is off.
import type { ServiceConfig } from "../model.ts";

export const plainServices: ServiceConfig = {
  socketLb: "none",
  cgroupRoot: "/sys/fs/cgroup",
  nodePort: false,
  dsr: "none",
  nodePortRange: [30_000, 32_767],
  bindProtection: false,
  externalClusterIp: false,
  acceleration: "disabled",
  maglevTableSize: 251,
  maglevSeed: 0,
  mapMax: 4096,
};
