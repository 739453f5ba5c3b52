// What is decided of services, case by case.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import {
  context,
  contextWith,
  dying,
  endpoint,
  notReady,
  service,
  slice,
  terminating,
} from "../testing/build.ts";
import { frontendLines, warningLines } from "../testing/text.ts";
import type { ServiceContext } from "./context.ts";
import { decideService } from "./service.ts";

type Case = {
  readonly name: string;
  readonly service: Service;
  readonly slices?: readonly EndpointSlice[];
  readonly context?: ServiceContext;
  readonly frontends: string;
  readonly warnings?: string;
};

const two = [slice(["10.244.1.1", "10.244.2.1"])];
const dualStack = {
  clusterIPs: ["10.96.0.10", "fd00:10:96::a"],
  ipFamilies: ["IPv4" as const, "IPv6" as const],
};
const nodePort = { type: "NodePort" as const, ports: [{ port: 80, nodePort: 30_080 }] };
const loadBalancer = { ...nodePort, type: "LoadBalancer" as const };

const cases: readonly Case[] = [
  {
    name: "a cluster IP goes to all ready endpoints, and owns its address",
    service: service(),
    slices: two,
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "a service without endpoints is there, and refuses",
    service: service(),
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "service-no-backend-response=drop: it says nothing",
    service: service(),
    context: contextWith({ settings: { noBackendResponse: "drop" } }),
    frontends: "10.96.0.10:80/TCP ClusterIP [silent]\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "both families, each with its own endpoints",
    service: service({ spec: dualStack }),
    slices: [...two, slice(["fd00:10:244:1::1"])],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
[fd00:10:96::a]:80/TCP ClusterIP [[fd00:10:244:1::1]:8080]
10.96.0.10:0/ANY ClusterIP
[fd00:10:96::a]:0/ANY ClusterIP`,
  },
  {
    name: "a family that is off has nothing",
    service: service({ spec: { ...dualStack, ...nodePort } }),
    context: contextWith({ settings: { enableIpv6: false } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort []
172.18.0.2:30080/TCP NodePort []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "ports meet endpoints by name and protocol",
    service: service({
      spec: {
        ports: [
          { name: "dns", port: 53, protocol: "UDP" },
          { name: "dns-tcp", port: 53, protocol: "TCP" },
          { name: "metrics", port: 9153, targetPort: "prom" },
        ],
      },
    }),
    slices: [
      slice(["10.244.1.1"], {
        ports: [
          { name: "dns", port: 1053, protocol: "UDP" },
          { name: "dns-tcp", port: 1053, protocol: "TCP" },
          { name: "dns-tcp", port: 1054, protocol: "UDP" },
          { name: "metrics", port: 9999 },
        ],
      }),
      slice(["10.244.2.1"], { name: "web-other", ports: [{ name: "metrics", port: 8888 }] }),
    ],
    frontends: `10.96.0.10:53/UDP ClusterIP "dns" [10.244.1.1:1053]
10.96.0.10:53/TCP ClusterIP "dns-tcp" [10.244.1.1:1053]
10.96.0.10:9153/TCP ClusterIP "metrics" [10.244.2.1:8888 10.244.1.1:9999]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "a port without a number and one of an unknown protocol are nobody's",
    service: service(),
    slices: [
      slice(["10.244.1.1"], { ports: [{ name: "" }] }),
      slice(["10.244.2.1"], {
        name: "web-odd",
        ports: [{ name: "", port: 8080, protocol: "DCCP" as "TCP" }],
      }),
    ],
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
    warnings: "EndpointSlice web-odd: ports[0]: is no port of TCP, UDP or SCTP",
  },
  {
    name: "SCTP endpoints are used where the port is the same",
    service: service({
      spec: {
        type: "NodePort",
        ports: [{ port: 7777, protocol: "SCTP", nodePort: 30_777 }],
      },
    }),
    slices: [slice(["10.244.1.1"], { ports: [{ name: "", port: 7777, protocol: "SCTP" }] })],
    context: contextWith({ settings: { enableIpv6: false }, facts: { addresses: [] } }),
    frontends: `10.96.0.10:7777/SCTP ClusterIP [10.244.1.1:7777]
0.0.0.0:30777/SCTP NodePort []
10.96.0.10:0/ANY ClusterIP`,
    warnings:
      "spec.ports: SCTP port 30777: 1 endpoints have another port, which SCTP cannot be given: not used",
  },
  {
    name: "endpoints that say nothing of themselves are ready; those not ready get nothing",
    service: service(),
    slices: [
      slice([
        endpoint("10.244.1.1", { conditions: {} }),
        { addresses: ["10.244.1.2"] },
        endpoint("10.244.1.3", notReady),
        endpoint("10.244.1.4", terminating),
      ]),
    ],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.1.2:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "terminating endpoints that still serve stand in when none is ready",
    service: service(),
    slices: [
      slice([
        endpoint("10.244.1.1", terminating),
        endpoint("10.244.1.2", dying),
        endpoint("10.244.1.3", { conditions: { ready: false, terminating: true } }),
        endpoint("10.244.1.4", notReady),
      ]),
    ],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.1.3:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "an endpoint that is ready though it terminates (publishNotReadyAddresses) is as good as any",
    service: service({ spec: { publishNotReadyAddresses: true } }),
    slices: [
      slice([
        endpoint("10.244.1.1", { conditions: { ready: true, terminating: true } }),
        "10.244.2.1",
      ]),
    ],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "an endpoint in two slices counts once, as the better of the two",
    service: service(),
    slices: [
      slice([endpoint("10.244.1.1", notReady), "10.244.2.1"], { name: "web-a" }),
      slice([endpoint("10.244.2.1", notReady), "10.244.1.1"], { name: "web-b" }),
    ],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "a NodePort is at each of the node's addresses, and at any node's for sockets",
    service: service({ spec: { ...nodePort, ...dualStack } }),
    slices: [slice(["10.244.1.1"])],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080]
[fd00:10:96::a]:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort [10.244.1.1:8080]
172.18.0.2:30080/TCP NodePort [10.244.1.1:8080]
[::]:30080/TCP NodePort []
[fc00:18::2]:30080/TCP NodePort []
10.96.0.10:0/ANY ClusterIP
[fd00:10:96::a]:0/ANY ClusterIP`,
  },
  {
    name: "nodeport-addresses: only at those of the node's addresses",
    service: service({ spec: nodePort }),
    context: contextWith({ settings: { nodePortAddresses: [Prefix.parse("10.0.0.0/8")] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "externalTrafficPolicy Local: outside gets this node's endpoints, the cluster all",
    service: service({
      spec: { ...nodePort, externalTrafficPolicy: "Local" },
    }),
    slices: two,
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
0.0.0.0:30080/TCP NodePort [10.244.1.1:8080 silent] [10.244.1.1:8080 10.244.2.1:8080]
172.18.0.2:30080/TCP NodePort [10.244.1.1:8080 silent] [10.244.1.1:8080 10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "externalTrafficPolicy Local: outside hears nothing where others have endpoints",
    service: service({ spec: { ...nodePort, externalTrafficPolicy: "Local" } }),
    slices: [slice(["10.244.2.1"])],
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.2.1:8080]
0.0.0.0:30080/TCP NodePort [silent] [10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "externalTrafficPolicy Local: and is refused where nobody has",
    service: service({ spec: { ...nodePort, externalTrafficPolicy: "Local" } }),
    slices: [slice([endpoint("10.244.1.1", notReady)])],
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort [] []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "externalTrafficPolicy Local: this node's terminating endpoints stand in, whatever others have",
    service: service({ spec: { ...nodePort, externalTrafficPolicy: "Local" } }),
    slices: [slice([endpoint("10.244.1.1", terminating), "10.244.2.1"])],
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.2.1:8080]
0.0.0.0:30080/TCP NodePort [10.244.1.1:8080 silent] [10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "internalTrafficPolicy Local: the cluster gets this node's endpoints and is refused without",
    service: service({ spec: { ...nodePort, internalTrafficPolicy: "Local" } }),
    slices: [slice(["10.244.2.1"])],
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort [10.244.2.1:8080] []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "an endpoint of no node is local to none",
    service: service({ spec: { internalTrafficPolicy: "Local" } }),
    slices: [slice([{ addresses: ["192.0.2.7"] }])],
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "a load balancer's addresses, but for those that a proxy stands for",
    service: service({
      spec: loadBalancer,
      ingress: [
        { ip: "203.0.113.7", ipMode: "VIP" },
        { ip: "203.0.113.8", ipMode: "Proxy" },
        { hostname: "lb.example" },
        { ip: "203.0.113.9" },
      ],
    }),
    slices: [slice(["10.244.2.1"])],
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.2.1:8080]
0.0.0.0:30080/TCP NodePort [10.244.2.1:8080]
203.0.113.7:80/TCP LoadBalancer [10.244.2.1:8080]
203.0.113.9:80/TCP LoadBalancer [10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer
203.0.113.9:0/ANY LoadBalancer`,
  },
  {
    name: "allocateLoadBalancerNodePorts false: no NodePort",
    service: service({
      spec: {
        type: "LoadBalancer",
        allocateLoadBalancerNodePorts: false,
        ports: [{ port: 80 }],
        loadBalancerClass: "example.com/other",
      },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer []
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
  },
  {
    name: "a load balancer's address that a node has is not the service's on other ports",
    service: service({
      spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
      ingress: [{ ip: "172.18.0.3" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
172.18.0.3:80/TCP LoadBalancer []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "an address that is load balancer's and external IP is there once",
    service: service({
      spec: { type: "LoadBalancer", ports: [{ port: 80 }], externalIPs: ["203.0.113.7"] },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer []
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
  },
  {
    name: "source ranges hold at the load balancer's addresses",
    service: service({
      spec: {
        ...loadBalancer,
        loadBalancerSourceRanges: ["192.0.2.0/24", " 192.0.2.128/25", "198.51.100.1/8", "::/1"],
      },
      ingress: [{ ip: "203.0.113.7" }, { ip: "2001:db8::7" }],
    }),
    context: contextWith({ facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
0.0.0.0:30080/TCP NodePort []
203.0.113.7:80/TCP LoadBalancer [] from 192.0.2.0/24,198.0.0.0/8
[2001:db8::7]:80/TCP LoadBalancer [] from ::/1
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer
[2001:db8::7]:0/ANY LoadBalancer`,
  },
  {
    name: "source ranges let nobody in where none is of the family, or none is a range",
    service: service({
      spec: {
        type: "LoadBalancer",
        ports: [{ port: 80 }],
        loadBalancerSourceRanges: ["2001:db8::/32", "example.com"],
      },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer [] from nowhere
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
    warnings: 'spec.loadBalancerSourceRanges[1]: "example.com" is not a CIDR',
  },
  {
    name: "source ranges that are no list let nobody in",
    service: service({
      spec: {
        type: "LoadBalancer",
        ports: [{ port: 80 }],
        loadBalancerSourceRanges: "192.0.2.0/24" as unknown as string[],
      },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer [] from nowhere
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
    warnings: "spec.loadBalancerSourceRanges: must be a list",
  },
  {
    name: "an empty list of source ranges is as good as none",
    service: service({
      spec: { type: "LoadBalancer", ports: [{ port: 80 }], loadBalancerSourceRanges: [] },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer []
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
  },
  {
    name: "bpf-lb-source-range-all-types: at all its addresses",
    service: service({
      spec: { ...nodePort, loadBalancerSourceRanges: ["192.0.2.0/24"] },
    }),
    context: contextWith({
      settings: { sourceRangeAllTypes: true },
      facts: { addresses: [] },
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP [] from 192.0.2.0/24
0.0.0.0:30080/TCP NodePort [] from 192.0.2.0/24
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "src-ranges-policy deny: everybody but those",
    service: service({
      annotations: { "service.cilium.io/src-ranges-policy": "deny" },
      spec: {
        type: "LoadBalancer",
        ports: [{ port: 80 }],
        loadBalancerSourceRanges: ["0.0.0.0/2", "192.0.0.0/2"],
      },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP LoadBalancer [] from 64.0.0.0/2,128.0.0.0/2
10.96.0.10:0/ANY ClusterIP
203.0.113.7:0/ANY LoadBalancer`,
  },
  {
    name: "external IPs of any type of service, on the service's ports alone",
    service: service({ spec: { externalIPs: ["203.0.113.7", "2001:db8::7"] } }),
    slices: two,
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
203.0.113.7:80/TCP ExternalIPs [10.244.1.1:8080 10.244.2.1:8080]
[2001:db8::7]:80/TCP ExternalIPs []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "addresses that a service must not take",
    service: service({
      spec: {
        externalIPs: [
          "127.0.0.1",
          "169.254.169.254",
          "224.0.0.1",
          "0.0.0.0",
          "255.255.255.255",
          "::ffff:10.96.0.10",
          "fe80::1",
          "10.244.9.9",
          "fd00:10:244:1::9",
          "10.96.0.10",
          "no address",
          7 as unknown as string,
        ],
      },
    }),
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
    warnings: `spec.externalIPs[0]: 127.0.0.1 is a loopback address
spec.externalIPs[1]: 169.254.169.254 is a link-local address
spec.externalIPs[2]: 224.0.0.1 is a multicast address
spec.externalIPs[3]: 0.0.0.0 is the unspecified address
spec.externalIPs[4]: 255.255.255.255 is in a reserved range
spec.externalIPs[5]: ::ffff:10.96.0.10 is an IPv4-mapped IPv6 address
spec.externalIPs[6]: fe80::1 is a link-local address
spec.externalIPs[10]: "no address" is not an IP address
spec.externalIPs[11]: must be a string
spec.externalIPs[7]: 10.244.9.9 is in 10.244.0.0/16, where pods get their addresses from: not served
spec.externalIPs[8]: fd00:10:244:1::9 is in fd00:10:244::/56, where pods get their addresses from: not served
spec.externalIPs[9]: 10.96.0.10 is the service's own cluster IP: not served`,
  },
  {
    name: "a node's address is legal, but for what nodes themselves listen on",
    service: service({
      spec: {
        externalIPs: ["172.18.0.3", "172.18.0.4"],
        ports: [{ port: 443 }, { port: 6443 }, { port: 10_250 }, { port: 30_001 }],
      },
    }),
    frontends: `10.96.0.10:443/TCP ClusterIP []
10.96.0.10:6443/TCP ClusterIP []
10.96.0.10:10250/TCP ClusterIP []
10.96.0.10:30001/TCP ClusterIP []
172.18.0.3:443/TCP ExternalIPs []
172.18.0.4:443/TCP ExternalIPs []
10.96.0.10:0/ANY ClusterIP`,
    warnings: `spec.externalIPs[0]: 172.18.0.3 is a node, whose port 6443 is the cluster's own: not served
spec.externalIPs[0]: 172.18.0.3 is a node, whose port 10250 is the cluster's own: not served
spec.externalIPs[0]: 172.18.0.3 is a node, whose ports from 30000 to 32767 are NodePorts: not served
spec.externalIPs[1]: an API server listens at 172.18.0.4 port 6443: not served
spec.externalIPs[1]: 172.18.0.4 is a node, whose port 10250 is the cluster's own: not served
spec.externalIPs[1]: 172.18.0.4 is a node, whose ports from 30000 to 32767 are NodePorts: not served`,
  },
  {
    name: "endpoints that are no such thing, or lead back to the service",
    service: service({ spec: { ...nodePort, externalIPs: ["203.0.113.7"] } }),
    slices: [
      slice(["127.0.0.1", "169.254.169.254", "224.0.0.5", "0.0.0.0", "10.96.0.10", "203.0.113.7"]),
      slice(["172.18.0.3", "10.244.1.1"], {
        name: "web-z",
        ports: [{ name: "", port: 30_080 }],
      }),
    ],
    context: contextWith({ facts: { addresses: [] }, settings: { externalIps: false } }),
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:30080]
0.0.0.0:30080/TCP NodePort [10.244.1.1:30080]
10.96.0.10:0/ANY ClusterIP`,
    warnings: `EndpointSlice web-v4: endpoints[0].addresses[0]: 127.0.0.1 is a loopback address
EndpointSlice web-v4: endpoints[1].addresses[0]: 169.254.169.254 is a link-local address
EndpointSlice web-v4: endpoints[2].addresses[0]: 224.0.0.5 is a multicast address
EndpointSlice web-v4: endpoints[3].addresses[0]: 0.0.0.0 is the unspecified address
spec.ports[0]: endpoint 10.96.0.10:8080/TCP is a frontend of the service itself: not used
spec.ports[0]: endpoint 203.0.113.7:8080/TCP is a frontend of the service itself: not used
spec.ports[0]: endpoint 172.18.0.3:30080/TCP is a frontend of the service itself: not used`,
  },
  {
    name: "session affinity, by default for three hours",
    service: service({ spec: { sessionAffinity: "ClientIP" } }),
    slices: [slice(["10.244.1.1"])],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 affinity 10800s]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "session affinity, for as long as is said",
    service: service({
      spec: {
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      },
    }),
    frontends: `10.96.0.10:80/TCP ClusterIP [affinity 60s]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "Maglev where clients from outside come in, and there alone",
    service: service({ spec: { ...nodePort, externalTrafficPolicy: "Local" } }),
    slices: two,
    context: contextWith({ settings: { algorithm: "maglev" }, facts: { addresses: [] } }),
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.1.1:8080 10.244.2.1:8080]
0.0.0.0:30080/TCP NodePort [10.244.1.1:8080 silent maglev] [10.244.1.1:8080 10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "Maglev of a cluster IP that is served to outside",
    service: service({ annotations: { "service.cilium.io/lb-algorithm": "Maglev" } }),
    context: contextWith({ settings: { externalClusterIp: true } }),
    frontends: "10.96.0.10:80/TCP ClusterIP [maglev]\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "DSR for TCP alone in hybrid mode, and never at cluster IPs",
    service: service({
      spec: {
        externalIPs: ["203.0.113.7"],
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 80, protocol: "UDP" },
        ],
      },
    }),
    context: contextWith({ settings: { mode: "hybrid" } }),
    frontends: `10.96.0.10:80/TCP ClusterIP "a" []
10.96.0.10:80/UDP ClusterIP "b" []
203.0.113.7:80/TCP ExternalIPs "a" [] dsr
203.0.113.7:80/UDP ExternalIPs "b" []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "the annotation for DSR goes before the configuration",
    service: service({
      annotations: { "service.cilium.io/forwarding-mode": "dsr" },
      spec: { externalIPs: ["203.0.113.7"], ports: [{ port: 80, protocol: "UDP" }] },
    }),
    frontends: `10.96.0.10:80/UDP ClusterIP []
203.0.113.7:80/UDP ExternalIPs [] dsr
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "unless annotations are off",
    service: service({
      annotations: {
        "service.cilium.io/forwarding-mode": "dsr",
        "service.cilium.io/lb-algorithm": "maglev",
      },
      spec: { externalIPs: ["203.0.113.7"] },
    }),
    context: contextWith({ settings: { modeAnnotation: false, algorithmAnnotation: false } }),
    frontends: `10.96.0.10:80/TCP ClusterIP []
203.0.113.7:80/TCP ExternalIPs []
10.96.0.10:0/ANY ClusterIP`,
  },
  {
    name: "service.cilium.io/type: that type alone, external IPs besides",
    service: service({
      annotations: { "service.cilium.io/type": "LoadBalancer" },
      spec: { ...loadBalancer, externalIPs: ["203.0.113.9"] },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    frontends: `203.0.113.7:80/TCP LoadBalancer []
203.0.113.9:80/TCP ExternalIPs []
203.0.113.7:0/ANY LoadBalancer`,
  },
  {
    name: "features that are off leave their frontends out",
    service: service({
      spec: { ...loadBalancer, externalIPs: ["203.0.113.9"] },
      ingress: [{ ip: "203.0.113.7" }],
    }),
    context: contextWith({ settings: { nodePort: false, externalIps: false } }),
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "headless services are left alone",
    service: service({ spec: { clusterIP: "None" } }),
    slices: two,
    frontends: "",
  },
  {
    name: "as are ExternalName ones",
    service: service({ spec: { type: "ExternalName", externalName: "example.com" } }),
    frontends: "",
  },
  {
    name: "those that are labelled headless",
    service: service({ labels: { "service.kubernetes.io/headless": "" } }),
    frontends: "",
  },
  {
    name: "and those of another proxy",
    service: service({ labels: { "service.kubernetes.io/service-proxy-name": "other" } }),
    frontends: "",
  },
  {
    name: "k8s-service-proxy-name: only those that name it",
    service: service({ labels: { "service.kubernetes.io/service-proxy-name": "mine" } }),
    context: contextWith({ settings: { serviceProxyName: "mine" } }),
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "a service for other nodes",
    service: service({ annotations: { "service.cilium.io/node": "edge" } }),
    frontends: "",
  },
  {
    name: "a service for some nodes, nobody can tell which",
    service: service({ annotations: { "service.cilium.io/node-selector": "zone near (a)" } }),
    frontends: "",
  },
  {
    name: "a service for nodes like this one",
    service: service({
      annotations: {
        "service.cilium.io/node-selector": "topology.kubernetes.io/zone in (a, b),!spot",
        "service.cilium.io/node": "edge",
      },
    }),
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
  {
    name: "a port that is there twice is there once",
    service: service({
      spec: {
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 80 },
        ],
      },
    }),
    frontends: '10.96.0.10:80/TCP ClusterIP "a" []\n10.96.0.10:0/ANY ClusterIP',
    warnings: "spec.ports[1]: the service has port 80/6 already",
  },
  {
    name: "a slice of weight 0 is in maintenance",
    service: service(),
    slices: [
      slice(["10.244.1.1"], { annotations: { "service.cilium.io/weight": "0" } }),
      slice(["10.244.2.1"], {
        name: "web-b",
        annotations: { "service.cilium.io/weight": "70000" },
      }),
    ],
    frontends: `10.96.0.10:80/TCP ClusterIP [10.244.2.1:8080]
10.96.0.10:0/ANY ClusterIP`,
    warnings:
      "EndpointSlice web-b: metadata.annotations[service.cilium.io/weight]: must be a number from 0 to 65535",
  },
  {
    name: "slices of host names are not looked at",
    service: service(),
    slices: [slice([{ addresses: ["db.example.com"] }], { addressType: "FQDN" })],
    frontends: "10.96.0.10:80/TCP ClusterIP []\n10.96.0.10:0/ANY ClusterIP",
  },
];

for (const each of cases)
  test(each.name, () => {
    const decided = decideService(each.service, each.slices ?? [], each.context ?? context);
    assert.equal(frontendLines(decided), each.frontends);
    assert.equal(warningLines(decided), each.warnings ?? "");
  });
