import assert from "node:assert/strict";
import { test } from "node:test";
import type { ServiceFeature } from "@tsilium/datapath/model.ts";
import { loadConfig } from "../config/load.ts";
import { serviceFeatures } from "./features.ts";

function show(args: readonly string[], datapath: readonly ServiceFeature[]): string[] {
  const config = loadConfig(args, {}).values;
  const devices = ["eth0 172.18.0.2 fc00:18::2"];
  return serviceFeatures({ config, devices, datapath }).map(
    ({ name, state, message }) => `${name}: ${message}${state === "degraded" ? " !" : ""}`,
  );
}

const socketLb = (fields: Partial<ServiceFeature> = {}): ServiceFeature => ({
  name: "socket-lb",
  enabled: true,
  ok: true,
  message: "all sockets, in /sys/fs/cgroup",
  ...fields,
});

test("in kube-proxy's place all kinds of services are on", () => {
  const args = ["--kube-proxy-replacement", "--bpf-lb-algorithm=maglev", "--bpf-lb-mode=hybrid"];
  assert.deepEqual(show(args, [socketLb()]), [
    "KubeProxyReplacement: True   [eth0 172.18.0.2 fc00:18::2]",
    "Socket LB: Enabled (all sockets, in /sys/fs/cgroup)",
    "Socket LB Coverage: Full",
    "NodePort Bind Protection: Disabled",
    "LB Mode: Hybrid (opt)",
    "Backend Selection: Maglev (Table Size: 16381)",
    "XDP Acceleration: Disabled",
    "Session Affinity: Enabled",
    "Graceful Termination: Enabled",
    "Services ClusterIP: Enabled",
    "Services NodePort: Enabled (Range: 30000-32767)",
    "Services LoadBalancer: Enabled",
    "Services externalIPs: Enabled",
    "Services HostPort: Enabled",
    "Local Redirect Policy: Disabled",
  ]);
});

test("beside a kube-proxy what is on its own is on", () => {
  const lines = show(["--enable-external-ips"], [socketLb({ enabled: false, message: "off" })]);
  for (const line of [
    "KubeProxyReplacement: False",
    "Socket LB: Disabled",
    "Socket LB Coverage: Disabled",
    "Services ClusterIP: Enabled",
    "Services NodePort: Disabled",
    "Services externalIPs: Enabled",
  ])
    assert.ok(lines.includes(line), `${line} is missing in\n${lines.join("\n")}`);
});

test("what the kernel lacks is said, with what serves in its place", () => {
  const message = "packets are balanced instead: no cgroup2";
  const lacking = socketLb({ enabled: false, ok: false, message });
  const lines = show(["--kube-proxy-replacement"], [lacking]);
  assert.ok(lines.includes(`Socket LB: Disabled (${message}) !`));
  assert.ok(lines.includes("Socket LB Coverage: Disabled"));
  const dsr = { name: "dsr", enabled: false, ok: false, message: "needs Linux 9.9" };
  assert.ok(show([], [dsr]).includes("Services dsr: needs Linux 9.9 !"));
});
