import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { cgroup2Mount, serviceConfig } from "./datapath-config.ts";

const configOf = (...args: string[]) =>
  serviceConfig(loadConfig(["--cgroup-root=/sys/fs/cgroup", ...args], {}).values);

test("beside a kube-proxy no socket is balanced and no packet from outside", () => {
  const { socketLb, nodePort, bindProtection, acceleration } = configOf();
  assert.deepEqual(
    [socketLb, nodePort, bindProtection, acceleration],
    ["none", false, false, "disabled"],
  );
});

test("in kube-proxy's place both are, and each can be switched off", () => {
  const all = configOf("--kube-proxy-replacement");
  assert.deepEqual([all.socketLb, all.nodePort, all.bindProtection], ["all", true, true]);
  const some = configOf(
    "--kube-proxy-replacement",
    "--bpf-lb-sock=false",
    "--enable-node-port=false",
  );
  assert.deepEqual([some.socketLb, some.nodePort, some.bindProtection], ["none", true, false]);
  assert.equal(configOf("--bpf-lb-sock", "--bpf-lb-sock-hostns-only").socketLb, "host");
  const testing = configOf("--kube-proxy-replacement", "--bpf-lb-acceleration=testing-only");
  assert.equal(testing.acceleration, "generic");
});

test("dsr is compiled in where a service may have it", () => {
  const dsr = (...args: string[]) => configOf("--kube-proxy-replacement", ...args).dsr;
  assert.deepEqual(
    [dsr(), dsr("--bpf-lb-mode=hybrid"), dsr("--bpf-lb-mode-annotation")],
    ["none", "opt", "opt"],
  );
});

test("the cgroup folder is where cgroup2 is mounted", () => {
  const v1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n";
  const mounts = `tmpfs /sys/fs/cgroup tmpfs ro 0 0\n${v1}none /run/c\\040g cgroup2 rw 0 0\n`;
  assert.equal(cgroup2Mount(mounts), "/run/c g");
  assert.equal(cgroup2Mount(v1), undefined);
});
