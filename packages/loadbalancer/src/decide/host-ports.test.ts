// What is decided of pods' host ports, case by case.
import assert from "node:assert/strict";
import { test } from "node:test";
import { context, contextWith, pod } from "../testing/build.ts";
import { frontendLines, warningLines } from "../testing/text.ts";
import type { DecideContext } from "./context.ts";
import { decideHostPorts } from "./host-ports.ts";

type Case = {
  readonly name: string;
  readonly pod: ReturnType<typeof pod>;
  readonly context?: DecideContext;
  readonly frontends: string;
  readonly warnings?: string;
};

const http = [{ name: "http", containerPort: 80, hostPort: 8080 }];

const cases: readonly Case[] = [
  {
    name: "at each of the node's addresses, by the pod's families",
    pod: pod({ ports: http, ips: ["10.244.1.1", "fd00:10:244:1::1"] }),
    frontends: `0.0.0.0:8080/TCP HostPort "http" [10.244.1.1:80]
172.18.0.2:8080/TCP HostPort "http" [10.244.1.1:80]
[::]:8080/TCP HostPort "http" [[fd00:10:244:1::1]:80]
[fc00:18::2]:8080/TCP HostPort "http" [[fd00:10:244:1::1]:80]`,
  },
  {
    name: "only at its hostIP",
    pod: pod({
      ports: [{ containerPort: 80, hostPort: 8080, hostIP: "172.18.0.2", protocol: "UDP" }],
    }),
    frontends: "172.18.0.2:8080/UDP HostPort [10.244.1.1:80]",
  },
  {
    name: "not at an address that is not the node's",
    pod: pod({ ports: [{ containerPort: 53, hostPort: 53, hostIP: "8.8.8.8", protocol: "UDP" }] }),
    frontends: "",
    warnings: "spec.containers[0].ports[0].hostIP: is no address of this node: not served",
  },
  {
    name: "at loopback",
    pod: pod({ ports: [{ containerPort: 80, hostPort: 8080, hostIP: "127.0.0.1" }] }),
    frontends: "127.0.0.1:8080/TCP HostPort [10.244.1.1:80]",
  },
  {
    name: "ports without a hostPort are not about the node",
    pod: pod({ ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 0 }] }),
    frontends: "",
  },
  {
    name: "a pod in the node's network has its ports there anyway",
    pod: pod({ ports: http, hostNetwork: true }),
    frontends: "",
  },
  {
    name: "a finished pod gives them up",
    pod: pod({ ports: http, phase: "Succeeded" }),
    frontends: "",
  },
  {
    name: "the feature is off",
    pod: pod({ ports: http }),
    context: contextWith({ settings: { hostPort: false } }),
    frontends: "",
  },
  {
    name: "SCTP with two ports cannot be",
    pod: pod({ ports: [{ containerPort: 80, hostPort: 8080, protocol: "SCTP" }] }),
    frontends: "",
    warnings:
      "spec.containers[0].ports[0].hostPort: an SCTP hostPort must be the containerPort, 80: not served",
  },
];

for (const each of cases)
  test(each.name, () => {
    const decided = decideHostPorts(each.pod, each.context ?? context);
    assert.equal(frontendLines(decided), each.frontends);
    assert.equal(warningLines(decided), each.warnings ?? "");
  });

test("another node's pod is none of ours", () => {
  assert.equal(decideHostPorts(pod({ ports: http, node: "node-2" }), context), undefined);
});
