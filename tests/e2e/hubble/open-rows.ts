// Traffic without policies, and its flows at the default aggregation: of each connection and direction the first packet, and those
// that close it.
import type { Family } from "../services/service-lab.ts";
import { hostPort, nodePorts, portsOf, servicePorts } from "./flow-lab.ts";
import { ask, ping, type Row } from "./traffic.ts";

type To = (name: string) => (family: Family) => string;

/** Between pods, nodes and the world. */
export function directRows(to: To): Row[] {
  return [
    {
      what: "a pod to one of its node, TCP",
      from: "client",
      send: ask("tcp", to("near"), 8080),
      flows: [],
    },
    {
      what: "a pod to one of another node, TCP",
      from: "client",
      send: ask("tcp", to("far"), 8080),
      flows: [],
    },
    {
      what: "a pod to one of its node, UDP",
      from: "client",
      send: ask("udp", to("near"), 8080),
      flows: [],
    },
    {
      what: "a pod to one of another node, UDP",
      from: "client",
      send: ask("udp", to("far"), 8080),
      flows: [],
    },
    {
      what: "a port that nobody listens at, TCP",
      from: "client",
      send: ask("tcp", to("far"), 9),
      comesTo: "refused",
      flows: [],
    },
    {
      what: "a port that nobody listens at, UDP, with the error that comes of it",
      from: "client",
      send: ask("udp-connected", to("near"), 9),
      comesTo: "refused",
      icmp: ["client", "near"],
      flows: [],
    },
    {
      what: "a ping to a pod of another node",
      from: "client",
      send: ping(to("far")),
      icmp: ["client", "far"],
      flows: [],
    },
    {
      what: "a pod to the world, TCP",
      from: "client",
      send: ask("tcp", to("world"), 8080),
      flows: [],
    },
    {
      what: "a pod to the world, UDP",
      from: "far",
      send: ask("udp", to("world"), 8080),
      flows: [],
    },
    {
      what: "a ping to the world",
      from: "client",
      send: ping(to("world")),
      icmp: ["client", "node-1", "world"],
      flows: [],
    },
    {
      what: "a pod to its own node, where a pod listens in the node's network",
      from: "client",
      send: ask("tcp", to("node-1"), hostPort),
      flows: [],
    },
    {
      what: "a pod to another node",
      from: "client",
      send: ask("udp", to("node-2"), hostPort),
      flows: [],
    },
    {
      what: "a node to its pod",
      from: "node-1",
      send: ask("tcp", to("near"), 8080),
      flows: [],
    },
    {
      what: "a node to a pod of another node",
      from: "node-2",
      send: ask("tcp", to("near"), 8080),
      flows: [],
    },
    {
      what: "a pod in the node's network to a pod of another node",
      from: "on-host",
      send: ask("udp", to("far"), 8080),
      flows: [],
    },
    {
      what: "a node to a node, which no program follows",
      from: "node-1",
      send: ask("tcp", to("node-2"), hostPort),
      flows: [],
    },
    {
      what: "the world to a node, which no program follows",
      from: "world",
      send: ask("tcp", to("node-1"), hostPort),
      flows: [],
    },
  ];
}

/** By services' addresses, from inside. */
export function serviceRows(to: To): Row[] {
  return [
    {
      what: "a pod to a service, TCP",
      from: "client",
      send: ask("tcp", to("web.service"), servicePorts.podTcp),
      ports: [servicePorts.podTcp],
      flows: [],
    },
    {
      what: "a pod to a service, UDP, a datagram at a time",
      from: "client",
      send: ask("udp", to("web.service"), servicePorts.podUdp),
      ports: [servicePorts.podUdp],
      flows: [],
    },
    {
      what: "a pod to a service, UDP, connected",
      from: "client",
      send: ask("udp-connected", to("web.service"), servicePorts.podConnected),
      ports: [servicePorts.podConnected],
      flows: [],
    },
    {
      what: "a node to a service",
      from: "node-1",
      send: ask("tcp", to("web.service"), servicePorts.node),
      ports: [servicePorts.node],
      flows: [],
    },
    {
      what: "a service that nobody serves, TCP",
      from: "client",
      send: ask("tcp", to("nobody.service"), servicePorts.nobodyTcp),
      comesTo: "refused",
      ports: [servicePorts.nobodyTcp],
      flows: [],
    },
    {
      what: "a service that nobody serves, UDP",
      from: "client",
      send: ask("udp-connected", to("nobody.service"), servicePorts.nobodyUdp),
      comesTo: "refused",
      ports: [servicePorts.nobodyUdp],
      flows: [],
    },
    {
      what: "a pod to a node port of its own node",
      from: "client",
      send: ask("tcp", to("node-1"), nodePorts.inside),
      ports: [nodePorts.inside],
      flows: [],
    },
  ];
}

/** By services' addresses, from outside. */
export function outsideRows(to: To): Row[] {
  return [
    {
      what: "the world to a node port, of a pod of another node",
      from: "world",
      send: ask("tcp", to("node-1"), nodePorts.outside),
      ports: [portsOf.outside],
      flows: [],
    },
    {
      what: "the world to a node port, of a pod of that node",
      from: "world",
      send: ask("udp", to("node-2"), nodePorts.outside),
      flows: [],
    },
    {
      what: "the world to a load balancer",
      from: "world",
      send: ask("udp", to("balanced.balancer"), 80),
      ports: [portsOf.balanced],
      flows: [],
    },
  ];
}

/** The cluster's DNS is IPv4 for its clients, and runs on any node: asked from the other one. */
export function dnsRow(here: string, there: string, client: string): Row {
  const dns = "kube-system/kube-dns";
  void here;
  void there;
  void dns;
  return {
    what: "a name that a pod asks the cluster's DNS for",
    from: client,
    send: { kind: "run", command: () => ["getent", "ahostsv4", "web.flows.svc.cluster.local."] },
    ports: [53],
    flows: [],
  };
}
