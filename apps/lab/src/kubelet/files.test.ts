import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod, PodSpec } from "@tsilium/kube";
import { hostsFile, resolvConf } from "./files.ts";

const servers = { cluster: ["10.244.0.2", "fd00::2"], node: ["203.0.113.10"] };
const podWith = (spec: Partial<PodSpec>): Pod => ({
  metadata: { name: "web", namespace: "demo" },
  spec: { containers: [], ...spec },
});
const clusterFirst = [
  "search demo.svc.cluster.local svc.cluster.local cluster.local",
  "nameserver 10.244.0.2",
  "nameserver fd00::2",
  "options ndots:5",
  "",
].join("\n");

const cases: readonly (readonly [what: string, spec: Partial<PodSpec>, text: string])[] = [
  ["a pod asks the cluster", {}, clusterFirst],
  [
    "a pod in the host's network asks what the node asks",
    { hostNetwork: true },
    "nameserver 203.0.113.10\n",
  ],
  [
    "ClusterFirstWithHostNet asks the cluster",
    { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" },
    clusterFirst,
  ],
  ["Default asks what the node asks", { dnsPolicy: "Default" }, "nameserver 203.0.113.10\n"],
  [
    "None has what dnsConfig says",
    {
      dnsPolicy: "None",
      dnsConfig: {
        nameservers: ["192.0.2.1"],
        searches: ["a.b"],
        options: [{ name: "ndots", value: "2" }, { name: "edns0" }],
      },
    },
    "search a.b\nnameserver 192.0.2.1\noptions ndots:2 edns0\n",
  ],
];

for (const [what, spec, text] of cases) {
  test(what, () => assert.equal(resolvConf(podWith(spec), servers), text));
}

test("a pod finds itself and its aliases in /etc/hosts", () => {
  const pod = podWith({
    subdomain: "sub",
    hostAliases: [{ ip: "192.0.2.7", hostnames: ["x", "y"] }],
  });
  const lines = hostsFile(pod, ["10.244.0.5", "fd00::5"]).split("\n");
  assert.deepEqual(lines.slice(-4), [
    "10.244.0.5\tweb.sub.demo.svc.cluster.local\tweb",
    "fd00::5\tweb.sub.demo.svc.cluster.local\tweb",
    "192.0.2.7\tx\ty",
    "",
  ]);
});
