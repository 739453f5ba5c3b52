import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Pod, PodSpec } from "@tsilium/kube";
import { ClusterDns, type HostDns } from "./cluster-dns.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-dns-"));
after(() => rmSync(folder, { recursive: true }));

const podWith = (spec: Partial<PodSpec>): Pod => ({
  metadata: { name: "web", namespace: "demo" },
  spec: { containers: [], ...spec },
});
const onHost = podWith({ hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" });

/** The servers that a pod is told of, before and after DNS is there. */
function serversOf(pod: Pod, hostDns: HostDns): string[] {
  const path = join(folder, "resolv.conf");
  const servers = () => readFileSync(path, "utf8").match(/(?<=^nameserver ).*$/gm) ?? [];
  const dns = new ClusterDns(hostDns);
  dns.provide(pod, path);
  const before = servers();
  dns.serviceIs(["10.96.0.10", "fd00:10:96::a"]);
  dns.podsAre(["10.244.0.2", "fd00:10:244::2"]);
  return [...before, ...servers()];
}

test("a pod asks the service, also one that was there before it", () => {
  assert.deepEqual(serversOf(podWith({}), "pods"), ["10.96.0.10"]);
});

test("a pod in the node's network asks the service where sockets there are balanced", () => {
  assert.deepEqual(serversOf(onHost, "service"), ["10.96.0.10"]);
});

test("elsewhere it asks the servers themselves", () => {
  assert.deepEqual(serversOf(onHost, "pods"), ["10.244.0.2", "fd00:10:244::2"]);
});

test("a pod that does not ask the cluster is told of the world's", () => {
  const world = ["203.0.113.10", "2001:db8:113::10"];
  const pod = podWith({ dnsPolicy: "Default" });
  assert.deepEqual(serversOf(pod, "service"), [...world, ...world]);
});
