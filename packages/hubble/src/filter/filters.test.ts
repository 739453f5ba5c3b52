// Every filter of flow.FlowFilter by rows: this filter, that flow, a match or none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { FlowFilterSchema } from "../gen/flow/flow_pb.ts";
import { type Flow, unknownEndpoint } from "../model.ts";
import { compileFilters, fields } from "./compile.ts";
import { dns, endpointWith, flowWith, http, ipWith, tcp } from "./testing/flows.ts";

type Filter = MessageInitShape<typeof FlowFilterSchema>;
type Row = readonly [filter: Filter, flow: Partial<Flow>, expected: boolean];

const matches = (filter: Filter, flow: Partial<Flow>) =>
  compileFilters({ whitelist: [create(FlowFilterSchema, filter)] }).matches(flowWith(flow));

const source = (fields: Parameters<typeof endpointWith>[0]) => ({ source: endpointWith(fields) });
const destination = (fields: Parameters<typeof endpointWith>[0]) => ({
  destination: endpointWith(fields),
});
const from = (address: string) => ({ ip: ipWith({ source: address }) });
const to = (address: string) => ({ ip: ipWith({ destination: address }) });
const xlated = (address: string) => ({ ip: ipWith({ source: "1.1.1.1", sourceXlated: address }) });
const event = (type: number, subType = 0) => ({ eventType: { type, subType } });
const request = (fields: Parameters<typeof http>[0]) => ({ l7: http(fields) });
const pod = (namespace: string, podName: string) => source({ namespace, podName });
const labels = (...texts: string[]) => source({ labels: texts });
const policyDrop = (dropReason: number, policyMatchType = 0): Partial<Flow> => ({
  verdict: 2,
  dropReason,
  policyMatchType,
  ...event(1, dropReason),
});

const rows: Readonly<Record<string, readonly Row[]>> = {
  source_ip: [
    [{ sourceIp: ["10.0.0.1"] }, from("10.0.0.1"), true],
    [{ sourceIp: ["10.0.0.1"] }, from("10.0.0.10"), false],
    [{ sourceIp: ["10.0.0.1"] }, to("10.0.0.1"), false],
    [{ sourceIp: ["10.0.0.9", "10.0.0.1"] }, from("10.0.0.1"), true],
    [{ sourceIp: ["10.0.0.0/24"] }, from("10.0.0.255"), true],
    [{ sourceIp: ["10.0.0.0/24"] }, from("10.0.1.0"), false],
    [{ sourceIp: ["10.0.0.77/24"] }, from("10.0.0.1"), true],
    [{ sourceIp: ["0.0.0.0/0"] }, from("255.255.255.255"), true],
    [{ sourceIp: ["0.0.0.0/0"] }, from("fd00::1"), false],
    [{ sourceIp: ["::/0"] }, from("10.0.0.1"), false],
    [{ sourceIp: ["fd00::/8"] }, from("fdff::1"), true],
    [{ sourceIp: ["FD00:0::1"] }, from("fd00::1"), true],
    [{ sourceIp: ["1.1.1.1", "fd00::/8"] }, from("fd00::1"), true],
    [{ sourceIp: ["0.0.0.0/0"] }, from(""), false],
    [{ sourceIp: ["0.0.0.0/0"] }, {}, false],
    [{ sourceIp: ["0.0.0.0/0"] }, from("no address"), false],
  ],
  destination_ip: [
    [{ destinationIp: ["10.0.0.1"] }, to("10.0.0.1"), true],
    [{ destinationIp: ["10.0.0.1"] }, from("10.0.0.1"), false],
    [{ destinationIp: ["10.0.0.0/31"] }, to("10.0.0.1"), true],
    [{ destinationIp: ["10.0.0.0/31"] }, to("10.0.0.2"), false],
  ],
  source_ip_xlated: [
    [{ sourceIpXlated: ["10.0.0.1"] }, xlated("10.0.0.1"), true],
    [{ sourceIpXlated: ["1.1.1.1"] }, xlated("10.0.0.1"), false],
    [{ sourceIpXlated: ["10.0.0.0/8"] }, xlated("10.0.0.1"), true],
    [{ sourceIpXlated: ["0.0.0.0/0"] }, xlated(""), false],
  ],
  source_pod: [
    [{ sourcePod: ["xwing"] }, pod("default", "xwing"), true],
    [{ sourcePod: ["xwing"] }, pod("default", "xwing-123"), true],
    [{ sourcePod: ["xwing"] }, pod("default", "wing"), false],
    [{ sourcePod: ["xwing"] }, pod("prod", "xwing"), false],
    [{ sourcePod: ["/xwing"] }, pod("prod", "xwing"), true],
    [{ sourcePod: ["kube-system/coredns-"] }, pod("kube-system", "coredns-1"), true],
    [{ sourcePod: ["kube-system/coredns-"] }, pod("default", "coredns-1"), false],
    [{ sourcePod: ["kube-system/"] }, pod("kube-system", "anything"), true],
    [{ sourcePod: ["kube-system/"] }, pod("kube-system", ""), true],
    [{ sourcePod: ["kube-system/"] }, pod("kube-system2", "anything"), false],
    [{ sourcePod: ["/xwing"] }, pod("", ""), false],
    [{ sourcePod: ["/"] }, pod("prod", "xwing"), true],
    [{ sourcePod: ["/"] }, pod("", ""), false],
    [{ sourcePod: ["default/a", "prod/b"] }, pod("prod", "b"), true],
    [{ sourcePod: ["default/a", "prod/b"] }, pod("prod", "a"), false],
    [{ sourcePod: ["prod/b/c"] }, pod("prod", "b"), true],
    [{ sourcePod: ["xwing"] }, destination({ namespace: "default", podName: "xwing" }), false],
  ],
  destination_pod: [
    [{ destinationPod: ["default/x"] }, destination({ namespace: "default", podName: "xw" }), true],
    [{ destinationPod: ["default/x"] }, pod("default", "xw"), false],
  ],
  source_fqdn: [
    [{ sourceFqdn: ["cilium.io"] }, { sourceNames: ["cilium.io"] }, true],
    [{ sourceFqdn: ["cilium.io"] }, { sourceNames: ["www.cilium.io"] }, false],
    [{ sourceFqdn: ["*.cilium.io"] }, { sourceNames: ["a.b.cilium.io"] }, true],
    [{ sourceFqdn: ["*.cilium.io"] }, { sourceNames: ["cilium.io"] }, false],
    [{ sourceFqdn: ["*cilium.io"] }, { sourceNames: ["cilium.io"] }, true],
    [{ sourceFqdn: ["  CILIUM.io.  "] }, { sourceNames: ["cilium.io"] }, true],
    [{ sourceFqdn: ["cilium.io"] }, { sourceNames: ["ciliumXio"] }, false],
    [{ sourceFqdn: ["*"] }, { sourceNames: ["a_b.io"] }, false],
    [{ sourceFqdn: ["a_*"] }, { sourceNames: ["a_b.io"] }, true],
    [{ sourceFqdn: ["*"] }, { sourceNames: [] }, false],
    [{ sourceFqdn: ["**"] }, { sourceNames: ["x"] }, true],
    [{ sourceFqdn: ["ebpf.io", "c*"] }, { sourceNames: ["b.io", "cilium.io"] }, true],
    [{ sourceFqdn: ["cilium.io"] }, { destinationNames: ["cilium.io"] }, false],
  ],
  destination_fqdn: [
    [{ destinationFqdn: ["cilium.io"] }, { destinationNames: ["cilium.io"] }, true],
    [{ destinationFqdn: ["cilium.io"] }, { sourceNames: ["cilium.io"] }, false],
  ],
  source_label: [
    [{ sourceLabel: ["app"] }, labels("k8s:app"), true],
    [{ sourceLabel: ["app"] }, labels("k8s:app=web"), true],
    [{ sourceLabel: ["app"] }, labels("app=web"), true],
    [{ sourceLabel: ["app"] }, labels("k8s:app2=web"), false],
    [{ sourceLabel: ["app=web"] }, labels("k8s:app=web"), true],
    [{ sourceLabel: ["app==web"] }, labels("k8s:app=web"), true],
    [{ sourceLabel: ["app=web"] }, labels("k8s:app=web2"), false],
    [{ sourceLabel: ["app=web"] }, labels("k8s:app=web=more"), false],
    [{ sourceLabel: ["app="] }, labels("k8s:app"), true],
    [{ sourceLabel: ["app="] }, labels("k8s:app=web"), false],
    [{ sourceLabel: ["any:app=web"] }, labels("container:app=web"), true],
    [{ sourceLabel: ["k8s:app=web"] }, labels("container:app=web"), false],
    [{ sourceLabel: ["k8s:app=web"] }, labels("k8s:app=web", "x=y"), true],
    [{ sourceLabel: ["k8s:app=web"] }, labels("k8s.app=web"), false],
    [{ sourceLabel: ["any:key"] }, labels("any.key"), false],
    [{ sourceLabel: ["reserved:host"] }, labels("reserved:host"), true],
    [{ sourceLabel: ["reserved:host"] }, labels("k8s:host"), false],
    [{ sourceLabel: ["reserved:world"] }, labels("reserved:world-ipv4"), false],
    [{ sourceLabel: ["app in (web, api)"] }, labels("k8s:app=api"), true],
    [{ sourceLabel: ["app in (web, api)"] }, labels("k8s:app=db"), false],
    [{ sourceLabel: ["app in (web, api)"] }, labels("k8s:tier=web"), false],
    [{ sourceLabel: ["app in (web,,api)"] }, labels("k8s:app"), true],
    [{ sourceLabel: ["app notin (web)"] }, labels("k8s:app=api"), true],
    [{ sourceLabel: ["app notin (web)"] }, labels("k8s:app=web"), false],
    [{ sourceLabel: ["app notin (web)"] }, labels(), true],
    [{ sourceLabel: ["app notin ()"] }, labels("k8s:app"), false],
    [{ sourceLabel: ["app!=web"] }, labels("k8s:app=api"), true],
    [{ sourceLabel: ["app != web"] }, labels(), true],
    [{ sourceLabel: ["app != web"] }, labels("k8s:app=web"), false],
    [{ sourceLabel: ["!app"] }, labels("k8s:tier=1"), true],
    [{ sourceLabel: ["!app"] }, labels("k8s:app=web"), false],
    [{ sourceLabel: ["!reserved:host"] }, labels("k8s:host"), true],
    [{ sourceLabel: ["n>5"] }, labels("k8s:n=6"), true],
    [{ sourceLabel: ["n > 5"] }, labels("k8s:n=5"), false],
    [{ sourceLabel: ["n<5"] }, labels("k8s:n=-3"), true],
    [{ sourceLabel: ["n<5"] }, labels("k8s:n=many"), false],
    [{ sourceLabel: ["app=web,tier=1"] }, labels("k8s:app=web", "k8s:tier=1"), true],
    [{ sourceLabel: ["app=web,tier=1"] }, labels("k8s:app=web", "k8s:tier=2"), false],
    [{ sourceLabel: ["app=web", "tier=1"] }, labels("k8s:tier=1"), true],
    [{ sourceLabel: ["in in (notin), notin"] }, labels("k8s:in=notin", "k8s:notin"), true],
    [
      { sourceLabel: ["app.kubernetes.io/name=web"] },
      labels("k8s:app.kubernetes.io/name=web"),
      true,
    ],
    [
      { sourceLabel: ["k8s:io.kubernetes.pod.namespace=a"] },
      labels("k8s:io.kubernetes.pod.namespace=a"),
      true,
    ],
    [{ sourceLabel: ["cidr:10.0.0.0/8"] }, labels("cidr:10.0.0.0/8"), true],
    [{ sourceLabel: ["cidr:10.0.0.0/8"] }, labels("cidr:10.1.0.0/16"), true],
    [{ sourceLabel: ["cidr:10.1.0.0/16"] }, labels("cidr:10.0.0.0/8"), false],
    [{ sourceLabel: ["cidr:2001-db8--0/32"] }, labels("cidr:2001-db8--1/128"), true],
    [{ sourceLabel: [""] }, labels(), true],
    [{ sourceLabel: [" "] }, labels("k8s:app=web"), true],
    [{ sourceLabel: ["app"] }, labels("", "=", "k8s:app"), true],
    [{ sourceLabel: ["app"] }, destination({ labels: ["k8s:app"] }), false],
  ],
  destination_label: [
    [{ destinationLabel: ["app"] }, destination({ labels: ["k8s:app"] }), true],
    [{ destinationLabel: ["app"] }, labels("k8s:app"), false],
  ],
  source_service: [
    [{ sourceService: ["web"] }, { sourceService: { namespace: "default", name: "web-1" } }, true],
    [{ sourceService: ["prod/"] }, { sourceService: { namespace: "prod", name: "web" } }, true],
    [{ sourceService: ["prod/"] }, { sourceService: { namespace: "default", name: "web" } }, false],
    [{ sourceService: ["/web"] }, { sourceService: { namespace: "x", name: "web" } }, true],
    [{ sourceService: ["web"] }, {}, false],
    [
      { sourceService: ["web"] },
      { destinationService: { namespace: "default", name: "web" } },
      false,
    ],
  ],
  destination_service: [
    [
      { destinationService: ["web"] },
      { destinationService: { namespace: "default", name: "web" } },
      true,
    ],
    [
      { destinationService: ["web"] },
      { sourceService: { namespace: "default", name: "web" } },
      false,
    ],
  ],
  source_workload: [
    [
      { sourceWorkload: [{ name: "web" }] },
      source({ workloads: [{ name: "web", kind: "Deployment" }] }),
      true,
    ],
    [
      { sourceWorkload: [{ name: "we" }] },
      source({ workloads: [{ name: "web", kind: "Deployment" }] }),
      false,
    ],
    [
      { sourceWorkload: [{ kind: "DaemonSet" }] },
      source({ workloads: [{ name: "a", kind: "DaemonSet" }] }),
      true,
    ],
    [
      { sourceWorkload: [{ kind: "DaemonSet" }] },
      source({ workloads: [{ name: "a", kind: "Deployment" }] }),
      false,
    ],
    [
      { sourceWorkload: [{ name: "a", kind: "DaemonSet" }] },
      source({
        workloads: [
          { name: "a", kind: "Job" },
          { name: "b", kind: "DaemonSet" },
        ],
      }),
      false,
    ],
    [{ sourceWorkload: [{}] }, source({ workloads: [{ name: "a", kind: "Job" }] }), true],
    [{ sourceWorkload: [{}] }, {}, false],
  ],
  destination_workload: [
    [
      { destinationWorkload: [{ name: "a" }] },
      destination({ workloads: [{ name: "a", kind: "Job" }] }),
      true,
    ],
    [
      { destinationWorkload: [{ name: "a" }] },
      source({ workloads: [{ name: "a", kind: "Job" }] }),
      false,
    ],
  ],
  source_cluster_name: [
    [{ sourceClusterName: ["east"] }, source({ clusterName: "east" }), true],
    [{ sourceClusterName: ["east"] }, source({ clusterName: "eastern" }), false],
    [{ sourceClusterName: ["west", "east"] }, source({ clusterName: "east" }), true],
    [{ sourceClusterName: ["east"] }, {}, false],
  ],
  destination_cluster_name: [
    [{ destinationClusterName: ["east"] }, destination({ clusterName: "east" }), true],
    [{ destinationClusterName: ["east"] }, source({ clusterName: "east" }), false],
  ],
  source_identity: [
    [{ sourceIdentity: [2] }, source({ identity: 2 }), true],
    [{ sourceIdentity: [1, 2] }, source({ identity: 2 }), true],
    [{ sourceIdentity: [2] }, source({ identity: 3 }), false],
    [{ sourceIdentity: [0] }, { source: unknownEndpoint }, true],
  ],
  destination_identity: [
    [{ destinationIdentity: [2] }, destination({ identity: 2 }), true],
    [{ destinationIdentity: [2] }, source({ identity: 2 }), false],
  ],
  verdict: [
    [{ verdict: [2] }, { verdict: 2 }, true],
    [{ verdict: [2] }, { verdict: 1 }, false],
    [{ verdict: [1, 2] }, { verdict: 1 }, true],
    [{ verdict: [0] }, { verdict: 0 }, true],
    [{ verdict: [99 as 2] }, { verdict: 2 }, false],
  ],
  drop_reason_desc: [
    [{ dropReasonDesc: [133] }, { verdict: 2, dropReason: 133 }, true],
    [{ dropReasonDesc: [133] }, { verdict: 2, dropReason: 181 }, false],
    [{ dropReasonDesc: [133, 181] }, { verdict: 2, dropReason: 181 }, true],
    [{ dropReasonDesc: [133] }, { verdict: 4, dropReason: 133 }, false],
    [{ dropReasonDesc: [0] }, { verdict: 2 }, true],
  ],
  event_type: [
    [{ eventType: [{ type: 4 }] }, event(4, 7), true],
    [{ eventType: [{ type: 4 }] }, event(1), false],
    [{ eventType: [{ type: 1 }, { type: 4 }] }, event(4), true],
    [{ eventType: [{ type: 4, matchSubType: true, subType: 7 }] }, event(4, 7), true],
    [{ eventType: [{ type: 4, matchSubType: true, subType: 7 }] }, event(4, 8), false],
    [{ eventType: [{ type: 4, matchSubType: true, subType: 0 }] }, event(4, 0), true],
    [{ eventType: [{ type: 4, subType: 7 }] }, event(4, 8), true],
    [{ eventType: [{}] }, event(8, 1), true],
    [{ eventType: [{ matchSubType: true, subType: 7 }] }, event(4, 7), true],
    [{ eventType: [{ matchSubType: true, subType: 7 }] }, event(4, 8), false],
    [{ eventType: [{ type: 5 }] }, policyDrop(133), true],
    [{ eventType: [{ type: 5 }] }, policyDrop(181), true],
    [{ eventType: [{ type: 5 }] }, policyDrop(140), false],
    [{ eventType: [{ type: 1 }] }, policyDrop(133), true],
    [{ eventType: [{ type: 5, matchSubType: true, subType: 2 }] }, policyDrop(133, 2), true],
    [{ eventType: [{ type: 5, matchSubType: true, subType: 2 }] }, policyDrop(133, 1), false],
  ],
  traffic_direction: [
    [{ trafficDirection: [1] }, { direction: 1 }, true],
    [{ trafficDirection: [1] }, { direction: 2 }, false],
    [{ trafficDirection: [1, 2] }, { direction: 2 }, true],
    [{ trafficDirection: [0] }, {}, true],
  ],
  reply: [
    [{ reply: [true] }, { isReply: true }, true],
    [{ reply: [true] }, { isReply: false }, false],
    [{ reply: [false] }, { isReply: false }, true],
    [{ reply: [false] }, { isReply: true }, false],
    [{ reply: [true, false] }, { isReply: true }, true],
    [{ reply: [true, false] }, { isReply: undefined, verdict: 1 }, false],
    [{ reply: [false] }, { isReply: undefined, verdict: 2 }, true],
    [{ reply: [true] }, { isReply: undefined, verdict: 2 }, false],
  ],
  encrypted: [
    [{ encrypted: [true] }, { ip: ipWith({ encrypted: true }) }, true],
    [{ encrypted: [true] }, { ip: ipWith({}) }, false],
    [{ encrypted: [false] }, {}, true],
  ],
  ip_version: [
    [{ ipVersion: [1] }, { ip: ipWith({ version: 1 }) }, true],
    [{ ipVersion: [2] }, { ip: ipWith({ version: 1 }) }, false],
    [{ ipVersion: [1, 2] }, { ip: ipWith({ version: 2 }) }, true],
    [{ ipVersion: [0] }, {}, true],
    [{ ipVersion: [1] }, {}, false],
  ],
  uuid: [
    [{ uuid: ["a", "b"] }, { uuid: "b" }, true],
    [{ uuid: ["a"] }, { uuid: "A" }, false],
  ],
  interface: [
    [{ interface: [{ name: "eth0" }] }, { interface: { index: 2, name: "eth0" } }, true],
    [{ interface: [{ name: "eth" }] }, { interface: { index: 2, name: "eth0" } }, false],
    [{ interface: [{ index: 2 }] }, { interface: { index: 2, name: "eth0" } }, true],
    [{ interface: [{ index: 3 }] }, { interface: { index: 2, name: "eth0" } }, false],
    [{ interface: [{ index: 2, name: "x" }] }, { interface: { index: 2, name: "eth0" } }, false],
    [{ interface: [{}] }, { interface: { index: 2, name: "eth0" } }, true],
    [{ interface: [{}] }, {}, false],
  ],
  trace_id: [
    [{ traceId: ["abc"] }, {}, false],
    [{ traceId: [""] }, {}, true],
  ],
  ip_trace_id: [[{ ipTraceId: [1n] }, {}, false]],
  protocol: [
    [{ protocol: ["tcp"] }, { l4: tcp(1, 2) }, true],
    [{ protocol: ["TCP"] }, { l4: tcp(1, 2) }, true],
    [{ protocol: ["udp"] }, { l4: tcp(1, 2) }, false],
    [{ protocol: ["udp"] }, { l4: { kind: "udp", sourcePort: 1, destinationPort: 2 } }, true],
    [{ protocol: ["sctp"] }, { l4: { kind: "sctp", sourcePort: 1, destinationPort: 2 } }, true],
    [{ protocol: ["icmp"] }, { l4: { kind: "icmp4", type: 8, code: 0 } }, true],
    [{ protocol: ["icmp"] }, { l4: { kind: "icmp6", type: 8, code: 0 } }, true],
    [{ protocol: ["icmpv4"] }, { l4: { kind: "icmp4", type: 8, code: 0 } }, true],
    [{ protocol: ["icmpv4"] }, { l4: { kind: "icmp6", type: 8, code: 0 } }, false],
    [{ protocol: ["ICMPv6"] }, { l4: { kind: "icmp6", type: 8, code: 0 } }, true],
    [{ protocol: ["dns"] }, { l7: dns("a.io") }, true],
    [{ protocol: ["http"] }, { l7: dns("a.io") }, false],
    [{ protocol: ["http", "tcp"] }, { l4: tcp(1, 2) }, true],
    [{ protocol: ["http"] }, request({}), true],
    [{ protocol: ["kafka"] }, request({}), false],
    [{ protocol: ["vrrp", "igmp"] }, { l4: tcp(1, 2) }, false],
    [{ protocol: ["tcp"] }, {}, false],
  ],
  source_port: [
    [{ sourcePort: ["80"] }, { l4: tcp(80, 1) }, true],
    [{ sourcePort: ["80"] }, { l4: tcp(1, 80) }, false],
    [{ sourcePort: ["443", "080"] }, { l4: tcp(80, 1) }, true],
    [{ sourcePort: ["0"] }, { l4: tcp(0, 1) }, true],
    [{ sourcePort: ["0"] }, { l4: { kind: "icmp4", type: 0, code: 0 } }, false],
    [{ sourcePort: ["0"] }, {}, false],
  ],
  destination_port: [
    [{ destinationPort: ["80"] }, { l4: tcp(1, 80) }, true],
    [
      { destinationPort: ["80"] },
      { l4: { kind: "udp", sourcePort: 1, destinationPort: 80 } },
      true,
    ],
    [
      { destinationPort: ["80"] },
      { l4: { kind: "sctp", sourcePort: 1, destinationPort: 80 } },
      true,
    ],
    [{ destinationPort: ["80"] }, { l4: tcp(80, 1) }, false],
  ],
  tcp_flags: [
    [{ tcpFlags: [{ SYN: true }] }, { l4: tcp(1, 2, "syn") }, true],
    [{ tcpFlags: [{ SYN: true }] }, { l4: tcp(1, 2, "syn", "ack") }, true],
    [{ tcpFlags: [{ SYN: true, ACK: true }] }, { l4: tcp(1, 2, "syn") }, false],
    [{ tcpFlags: [{ FIN: true }, { RST: true }] }, { l4: tcp(1, 2, "rst") }, true],
    [{ tcpFlags: [{ FIN: true }, { RST: true }] }, { l4: tcp(1, 2, "ack") }, false],
    [{ tcpFlags: [{}] }, { l4: tcp(1, 2) }, true],
    [{ tcpFlags: [{ NS: true }] }, { l4: tcp(1, 2, "ns", "cwr", "ece", "urg", "psh") }, true],
    [
      { tcpFlags: [{}] },
      { l4: { kind: "tcp", sourcePort: 1, destinationPort: 2, flags: undefined } },
      false,
    ],
    [{ tcpFlags: [{}] }, { l4: { kind: "udp", sourcePort: 1, destinationPort: 2 } }, false],
  ],
  node_name: [
    [{ nodeName: ["node-1"] }, { nodeName: "node-1" }, true],
    [{ nodeName: ["node-1"] }, { nodeName: "node-11" }, false],
    [{ nodeName: ["node-1"] }, { nodeName: "east/node-1" }, true],
    [{ nodeName: ["node-*"] }, { nodeName: "node-11" }, true],
    [{ nodeName: ["default/node-1"] }, { nodeName: "node-1" }, true],
    [{ nodeName: ["east/node-1"] }, { nodeName: "node-1" }, false],
    [{ nodeName: ["east/"] }, { nodeName: "east/any" }, true],
    [{ nodeName: ["east/"] }, { nodeName: "west/any" }, false],
    [{ nodeName: ["/node-1"] }, { nodeName: "west/node-1" }, true],
    [{ nodeName: ["e*t/*.example"] }, { nodeName: "east/a.b.example" }, true],
    [{ nodeName: ["k8s*"] }, { nodeName: "east/k8s-1.example" }, true],
    [{ nodeName: ["*"] }, { nodeName: "" }, false],
    [{ nodeName: ["a", "b"] }, { nodeName: "b" }, true],
  ],
  node_labels: [
    [{ nodeLabels: ["zone=a"] }, { nodeLabels: ["zone=a"] }, true],
    [{ nodeLabels: ["zone=a"] }, { nodeLabels: ["zone=b"] }, false],
    [
      { nodeLabels: ["kubernetes.io/arch in (amd64)"] },
      { nodeLabels: ["kubernetes.io/arch=amd64"] },
      true,
    ],
    [{ nodeLabels: ["!zone"] }, {}, true],
  ],
  dns_query: [
    [{ dnsQuery: ["kube.*local"] }, { l7: dns("a.kube-system.svc.cluster.local.") }, true],
    [{ dnsQuery: ["^kube"] }, { l7: dns("a.kube.local") }, false],
    [{ dnsQuery: ["^x$", "io"] }, { l7: dns("cilium.io") }, true],
    [{ dnsQuery: [""] }, { l7: dns("cilium.io") }, true],
    [{ dnsQuery: [""] }, request({}), false],
    [{ dnsQuery: [""] }, {}, false],
  ],
  http_status_code: [
    [{ httpStatusCode: ["404"] }, request({ code: 404 }), true],
    [{ httpStatusCode: ["404"] }, request({ code: 40 }), false],
    [{ httpStatusCode: ["4+"] }, request({ code: 499 }), true],
    [{ httpStatusCode: ["40+"] }, request({ code: 409 }), true],
    [{ httpStatusCode: ["40+"] }, request({ code: 410 }), false],
    [{ httpStatusCode: ["200", "5+"] }, request({ code: 503 }), true],
    [{ httpStatusCode: ["1+"] }, request({ code: 1 }), false],
    [{ httpStatusCode: ["1+"] }, request({ code: 0 }), false],
    [{ httpStatusCode: ["1+"] }, { l7: dns("a") }, false],
    [
      { httpStatusCode: ["404"], eventType: [{ type: 129 }] },
      { ...request({ code: 404 }), ...event(129) },
      true,
    ],
  ],
  http_method: [
    [{ httpMethod: ["GET"] }, request({ method: "GET" }), true],
    [{ httpMethod: ["get"] }, request({ method: "GET" }), true],
    [{ httpMethod: ["GET"] }, request({ method: "get" }), true],
    [{ httpMethod: ["GET", "PUT"] }, request({ method: "PUT" }), true],
    [{ httpMethod: ["GET"] }, request({ method: "POST" }), false],
    [{ httpMethod: [""] }, request({ method: "" }), false],
  ],
  http_path: [
    [{ httpPath: ["/api"] }, request({ url: "/api/v1" }), true],
    [{ httpPath: ["^/v1"] }, request({ url: "/api/v1" }), false],
    [{ httpPath: ["^/api$"] }, request({ url: "http://host:80/api?x=1" }), true],
    [{ httpPath: ["x=1"] }, request({ url: "/api?x=1" }), false],
    [{ httpPath: ["^/a b$"] }, request({ url: "/a%20b" }), true],
    [{ httpPath: [".*"] }, request({ url: "no url" }), false],
    [{ httpPath: [".*"] }, request({ url: "relative" }), false],
    [{ httpPath: [".*"] }, request({ url: "/%zz" }), false],
    [{ httpPath: ["^$"] }, request({ url: "http://host" }), true],
    [{ httpPath: ["^\\*$"] }, request({ url: "*" }), true],
    [{ httpPath: ["^//a"] }, request({ url: "//a/b" }), true],
    [{ httpPath: [".*"] }, request({ url: "" }), false],
    [{ httpPath: ["\u{fffd}"] }, request({ url: "/%ff" }), true],
  ],
  http_url: [
    [{ httpUrl: ["x=1"] }, request({ url: "/api?x=1" }), true],
    [{ httpUrl: ["^http://host/"] }, request({ url: "http://host/a" }), true],
    [{ httpUrl: ["^/a$"] }, request({ url: "http://host/a" }), false],
    [{ httpUrl: [".*"] }, request({ url: "" }), false],
  ],
  http_header: [
    [
      { httpHeader: [{ key: "a", value: "1" }] },
      request({ headers: [{ key: "a", value: "1" }] }),
      true,
    ],
    [
      { httpHeader: [{ key: "a", value: "1" }] },
      request({ headers: [{ key: "A", value: "1" }] }),
      false,
    ],
    [
      { httpHeader: [{ key: "a", value: "1" }] },
      request({ headers: [{ key: "a", value: "2" }] }),
      false,
    ],
    [
      {
        httpHeader: [
          { key: "x", value: "y" },
          { key: "b", value: "2" },
        ],
      },
      request({
        headers: [
          { key: "a", value: "1" },
          { key: "b", value: "2" },
        ],
      }),
      true,
    ],
    [{ httpHeader: [{ key: "a" }] }, request({ headers: [{ key: "a", value: "1" }] }), false],
  ],
  experimental: [
    [
      { experimental: { celExpression: ["_flow.verdict == Verdict.DROPPED"] } },
      { verdict: 2 },
      true,
    ],
    [
      { experimental: { celExpression: ["_flow.verdict == Verdict.DROPPED"] } },
      { verdict: 1 },
      false,
    ],
    [{ experimental: {} }, {}, true],
  ],
};

for (const [name, table] of Object.entries(rows)) {
  test(`filter ${name}: ${table.length} rows`, () => {
    for (const [filter, flow, expected] of table) {
      const text = JSON.stringify([filter, flow], (_, value: unknown) =>
        typeof value === "bigint" ? `${value}` : value,
      );
      assert.equal(matches(filter, flow), expected, text);
    }
  });
}

test("every field of flow.FlowFilter is compiled, and has rows", () => {
  const names = FlowFilterSchema.fields.map(({ name }) => name).sort();
  assert.deepEqual(Object.keys(fields).sort(), names);
  assert.deepEqual(Object.keys(rows).sort(), names);
});

const drop = { verdict: 2, l4: tcp(1, 80) } as const;
const forward = { verdict: 1, l4: tcp(1, 443) } as const;

test("fields of a filter are ANDed, filters of a list are ORed, and the blacklist takes away", () => {
  const table: readonly [Filter[], Filter[], Partial<Flow>, boolean][] = [
    [[], [], drop, true],
    [[{}], [], drop, true],
    [[{ verdict: [2], destinationPort: ["80"] }], [], drop, true],
    [[{ verdict: [2], destinationPort: ["443"] }], [], drop, false],
    [[{ verdict: [1] }, { destinationPort: ["80"] }], [], drop, true],
    [[{ verdict: [1] }, { destinationPort: ["443"] }], [], drop, false],
    [[], [{ verdict: [2] }], drop, false],
    [[], [{ verdict: [2] }], forward, true],
    [[], [{ verdict: [2], destinationPort: ["443"] }], drop, true],
    [[], [{ verdict: [1] }, { destinationPort: ["80"] }], drop, false],
    [[{ destinationPort: ["80"] }], [{ verdict: [2] }], drop, false],
    [[{ destinationPort: ["80"] }], [{ verdict: [1] }], drop, true],
    [[], [{}], drop, false],
    [
      [{ protocol: ["tcp"], verdict: [2], sourcePort: ["1"], destinationPort: ["80"] }],
      [],
      drop,
      true,
    ],
    [[{ verdict: [1] }, { verdict: [3] }, { verdict: [2] }], [], drop, true],
  ];
  for (const [whitelist, blacklist, flow, expected] of table) {
    const matcher = compileFilters({
      whitelist: whitelist.map((filter) => create(FlowFilterSchema, filter)),
      blacklist: blacklist.map((filter) => create(FlowFilterSchema, filter)),
    });
    assert.equal(matcher.matches(flowWith(flow)), expected, JSON.stringify([whitelist, blacklist]));
  }
});
