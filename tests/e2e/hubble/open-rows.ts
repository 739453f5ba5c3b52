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
      flows: [
        "node-1 FORWARDED to-endpoint new: client:c -> near:8080 TCP SYN, ingress, request",
        "node-1 FORWARDED to-endpoint reply: near:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: near:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-endpoint established: client:c -> near:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "a pod to one of another node, TCP",
      from: "client",
      send: ask("tcp", to("far"), 8080),
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-overlay established: client:c -> far:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client:c -> far:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-stack established: client:c -> far:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "a pod to one of its node, UDP",
      from: "client",
      send: ask("udp", to("near"), 8080),
      flows: [
        "node-1 FORWARDED to-endpoint new: client:c -> near:8080 UDP, ingress, request",
        "node-1 FORWARDED to-endpoint reply: near:8080 -> client:c UDP, egress, reply",
      ],
    },
    {
      what: "a pod to one of another node, UDP",
      from: "client",
      send: ask("udp", to("far"), 8080),
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c UDP, egress, reply",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c UDP, ingress, reply",
      ],
    },
    {
      what: "a port that nobody listens at, TCP",
      from: "client",
      send: ask("tcp", to("far"), 9),
      comesTo: "refused",
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> far:9 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:9 -> client:c TCP ACK RST, egress, reply",
        "node-2 FORWARDED to-endpoint new: client:c -> far:9 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:9 -> client:c TCP ACK RST, ingress, reply",
      ],
    },
    {
      what: "a port that nobody listens at, UDP, with the error that comes of it",
      from: "client",
      send: ask("udp-connected", to("near"), 9),
      comesTo: "refused",
      icmp: ["client", "near"],
      flows: [
        "node-1 FORWARDED to-endpoint new: client:c -> near:9 UDP, ingress, request",
        "node-1 FORWARDED to-endpoint related: near -> client ICMPv4 DestinationUnreachable(Port), ingress, request",
      ],
    },
    {
      what: "a ping to a pod of another node",
      from: "client",
      send: ping(to("far")),
      icmp: ["client", "far"],
      flows: [
        "node-1 FORWARDED to-overlay new: client -> far ICMPv4 EchoRequest, egress, request",
        "node-1 FORWARDED to-endpoint reply: far -> client ICMPv4 EchoReply, egress, reply",
        "node-2 FORWARDED to-endpoint new: client -> far ICMPv4 EchoRequest, ingress, request",
        "node-2 FORWARDED to-overlay reply: far -> client ICMPv4 EchoReply, ingress, reply",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client -> far ICMPv4 EchoRequest, egress, request",
        "node-1 FORWARDED to-endpoint reply: far -> client ICMPv4 EchoReply, egress, reply",
        "node-2 FORWARDED to-endpoint new: client -> far ICMPv4 EchoRequest, ingress, request",
        "node-2 FORWARDED to-stack reply: far -> client ICMPv4 EchoReply, ingress, reply",
      ],
    },
    {
      what: "a pod to the world, TCP",
      from: "client",
      send: ask("tcp", to("world"), 8080),
      flows: [
        "node-1 FORWARDED to-stack new: client:c -> world-ipv4@world:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: world-ipv4@world:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: world-ipv4@world:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-stack established: client:c -> world-ipv4@world:8080 TCP ACK FIN, egress, request",
      ],
    },
    {
      what: "a pod to the world, UDP",
      from: "far",
      send: ask("udp", to("world"), 8080),
      flows: [
        "node-2 FORWARDED to-stack new: far:c -> world-ipv4@world:8080 UDP, egress, request",
        "node-2 FORWARDED to-endpoint reply: world-ipv4@world:8080 -> far:c UDP, egress, reply",
      ],
      native: [
        "node-2 FORWARDED to-stack new: far:c -> world-ipv4@world:8080 UDP, egress, request",
        "node-2 FORWARDED to-endpoint reply: world-ipv4@world:8080 -> far:c UDP, egress, reply",
      ],
    },
    {
      what: "a ping to the world",
      from: "client",
      send: ping(to("world")),
      icmp: ["client", "node-1", "world"],
      flows: [
        "node-1 FORWARDED to-stack new: client -> world-ipv4@world ICMPv4 EchoRequest, egress, request",
        "node-1 FORWARDED to-endpoint reply: world-ipv4@world -> client ICMPv4 EchoReply, egress, reply",
      ],
    },
    {
      what: "a pod to its own node, where a pod listens in the node's network",
      from: "client",
      send: ask("tcp", to("node-1"), hostPort),
      flows: [
        "node-1 FORWARDED to-host new: client:c -> host@node-1:8090 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: host@node-1:8090 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: host@node-1:8090 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-host established: client:c -> host@node-1:8090 TCP ACK FIN, egress, request",
      ],
    },
    {
      what: "a pod to another node",
      from: "client",
      send: ask("udp", to("node-2"), hostPort),
      flows: [
        "node-1 FORWARDED to-stack new: client:c -> remote-node@node-2:8090 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: remote-node@node-2:8090 -> client:c UDP, egress, reply",
      ],
    },
    {
      what: "a node to its pod",
      from: "node-1",
      send: ask("tcp", to("near"), 8080),
      flows: [
        "node-1 FORWARDED to-endpoint new: host@node-1:c -> near:8080 TCP SYN, ingress, request",
        "node-1 FORWARDED to-host reply: near:8080 -> host@node-1:c TCP ACK SYN, ingress, reply",
        "node-1 FORWARDED to-host reply: near:8080 -> host@node-1:c TCP ACK FIN, ingress, reply",
        "node-1 FORWARDED to-endpoint established: host@node-1:c -> near:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "a node to a pod of another node",
      from: "node-2",
      send: ask("tcp", to("near"), 8080),
      flows: [
        "node-1 FORWARDED to-endpoint new: remote-node@router-2:c -> near:8080 TCP SYN, ingress, request",
        "node-1 FORWARDED to-overlay reply: near:8080 -> remote-node@router-2:c TCP ACK SYN, ingress, reply",
        "node-1 FORWARDED to-overlay reply: near:8080 -> remote-node@router-2:c TCP ACK FIN, ingress, reply",
        "node-1 FORWARDED to-endpoint established: remote-node@router-2:c -> near:8080 TCP ACK FIN, ingress, request",
        "node-2 FORWARDED to-overlay no reason: host@router-2:c -> near:8080 TCP SYN, no direction",
        "node-2 FORWARDED to-host no reason: near:8080 -> host@router-2:c TCP ACK SYN, no direction",
        "node-2 FORWARDED to-host no reason: near:8080 -> host@router-2:c TCP ACK FIN, no direction",
        "node-2 FORWARDED to-overlay no reason: host@router-2:c -> near:8080 TCP ACK FIN, no direction",
      ],
      native: [
        "node-1 FORWARDED to-endpoint new: remote-node@node-2:c -> near:8080 TCP SYN, ingress, request",
        "node-1 FORWARDED to-stack reply: near:8080 -> remote-node@node-2:c TCP ACK SYN, ingress, reply",
        "node-1 FORWARDED to-stack reply: near:8080 -> remote-node@node-2:c TCP ACK FIN, ingress, reply",
        "node-1 FORWARDED to-endpoint established: remote-node@node-2:c -> near:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "a pod in the node's network to a pod of another node",
      from: "on-host",
      send: ask("udp", to("far"), 8080),
      flows: [
        "node-2 FORWARDED to-endpoint new: remote-node@router-1:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> remote-node@router-1:c UDP, ingress, reply",
      ],
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
      flows: [
        "node-1 TRACED pre-xlate-fwd: client -> world-ipv4@web.service:81 TCP, no direction, to web",
        "node-1 TRANSLATED post-xlate-fwd: client -> far:8080 TCP, no direction",
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-overlay established: client:c -> far:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client:c -> far:8080 TCP SYN, egress, request, to web",
        "node-1 FORWARDED to-endpoint reply: app=far@web.service:81 -> client:c TCP ACK SYN, egress, reply, of web",
        "node-1 FORWARDED to-endpoint reply: app=far@web.service:81 -> client:c TCP ACK FIN, egress, reply, of web",
        "node-1 FORWARDED to-stack established: client:c -> far:8080 TCP ACK FIN, egress, request, to web",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "a pod to a service, UDP, a datagram at a time",
      from: "client",
      send: ask("udp", to("web.service"), servicePorts.podUdp),
      ports: [servicePorts.podUdp],
      flows: [
        "node-1 TRACED pre-xlate-fwd: client -> world-ipv4@web.service:82 UDP, no direction, to web",
        "node-1 TRANSLATED post-xlate-fwd: client -> far:8080 UDP, no direction",
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c UDP, egress, reply",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c UDP, ingress, reply",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client:c -> far:8080 UDP, egress, request, to web",
        "node-1 FORWARDED to-endpoint reply: app=far@web.service:82 -> client:c UDP, egress, reply, of web",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c UDP, ingress, reply",
      ],
    },
    {
      what: "a pod to a service, UDP, connected",
      from: "client",
      send: ask("udp-connected", to("web.service"), servicePorts.podConnected),
      ports: [servicePorts.podConnected],
      flows: [
        "node-1 TRACED pre-xlate-fwd: client -> world-ipv4@web.service:83 UDP, no direction, to web",
        "node-1 TRANSLATED post-xlate-fwd: client -> far:8080 UDP, no direction",
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c UDP, egress, reply",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c UDP, ingress, reply",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client:c -> far:8080 UDP, egress, request, to web",
        "node-1 FORWARDED to-endpoint reply: app=far@web.service:83 -> client:c UDP, egress, reply, of web",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 UDP, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c UDP, ingress, reply",
      ],
    },
    {
      what: "a service that nobody serves, TCP",
      from: "client",
      send: ask("tcp", to("nobody.service"), servicePorts.nobodyTcp),
      comesTo: "refused",
      ports: [servicePorts.nobodyTcp],
      flows: [
        "node-1 DROPPED connect SERVICE_BACKEND_NOT_FOUND: client -> world-ipv4@nobody.service:85 TCP, egress, to nobody",
      ],
      native: [
        "node-1 DROPPED SERVICE_BACKEND_NOT_FOUND: client:c -> world-ipv4@nobody.service:85 TCP SYN, egress, to nobody",
      ],
    },
    {
      what: "a service that nobody serves, UDP",
      from: "client",
      send: ask("udp-connected", to("nobody.service"), servicePorts.nobodyUdp),
      comesTo: "refused",
      ports: [servicePorts.nobodyUdp],
      flows: [
        "node-1 DROPPED connect SERVICE_BACKEND_NOT_FOUND: client -> world-ipv4@nobody.service:86 UDP, egress, to nobody",
      ],
      native: [
        "node-1 DROPPED SERVICE_BACKEND_NOT_FOUND: client:c -> world-ipv4@nobody.service:86 UDP, egress, to nobody",
      ],
    },
    {
      what: "a pod to a node port of its own node",
      from: "client",
      send: ask("tcp", to("node-1"), nodePorts.inside),
      ports: [nodePorts.inside],
      flows: [
        "node-1 TRACED pre-xlate-fwd: client -> host@node-1:30082 TCP, no direction, to inside",
        "node-1 TRANSLATED post-xlate-fwd: client -> far:8080 TCP, no direction",
        "node-1 FORWARDED to-overlay new: client:c -> far:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: far:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-overlay established: client:c -> far:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
      native: [
        "node-1 FORWARDED to-stack new: client:c -> far:8080 TCP SYN, egress, request, to inside",
        "node-1 FORWARDED to-endpoint reply: app=far@node-1:30082 -> client:c TCP ACK SYN, egress, reply, of inside",
        "node-1 FORWARDED to-endpoint reply: app=far@node-1:30082 -> client:c TCP ACK FIN, egress, reply, of inside",
        "node-1 FORWARDED to-stack established: client:c -> far:8080 TCP ACK FIN, egress, request, to inside",
        "node-2 FORWARDED to-endpoint new: client:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-stack reply: far:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
    },
  ];
}

/** Where nodes' own sockets are balanced. */
export function nodeServiceRows(to: To): Row[] {
  return [
    {
      what: "a node to a service",
      from: "node-1",
      send: ask("tcp", to("web.service"), servicePorts.node),
      ports: [servicePorts.node],
      flows: [
        "node-1 TRACED pre-xlate-fwd: host@node-1 -> world-ipv4@web.service:84 TCP, no direction, to web",
        "node-1 TRANSLATED post-xlate-fwd: host@node-1 -> far:8080 TCP, no direction",
        "node-1 FORWARDED to-overlay no reason: host@router-1:c -> far:8080 TCP SYN, no direction",
        "node-1 FORWARDED to-host no reason: far:8080 -> host@router-1:c TCP ACK SYN, no direction",
        "node-1 FORWARDED to-host no reason: far:8080 -> host@router-1:c TCP ACK FIN, no direction",
        "node-1 FORWARDED to-overlay no reason: host@router-1:c -> far:8080 TCP ACK FIN, no direction",
        "node-2 FORWARDED to-endpoint new: remote-node@router-1:c -> far:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8080 -> remote-node@router-1:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: far:8080 -> remote-node@router-1:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: remote-node@router-1:c -> far:8080 TCP ACK FIN, ingress, request",
      ],
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
      flows: [
        "node-1 FORWARDED from-network new: world-ipv4@world:c -> host@node-1:30081 TCP SYN, no direction, request, to outside",
        "node-1 FORWARDED to-network reply: app=far@node-1:30081 -> world-ipv4@world:c TCP ACK SYN, no direction, reply, of outside",
        "node-1 FORWARDED to-network reply: app=far@node-1:30081 -> world-ipv4@world:c TCP ACK FIN, no direction, reply, of outside",
        "node-1 FORWARDED from-network established: world-ipv4@world:c -> host@node-1:30081 TCP ACK FIN, no direction, request, to outside",
        "node-2 FORWARDED to-endpoint new: world-ipv4@router-1:any -> far:8081 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8081 -> remote-node@router-1:any TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: far:8081 -> remote-node@router-1:any TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: world-ipv4@router-1:any -> far:8081 TCP ACK FIN, ingress, request",
      ],
      native: [
        "node-1 FORWARDED from-network new: world-ipv4@world:c -> host@node-1:30081 TCP SYN, no direction, request, to outside",
        "node-1 FORWARDED to-network reply: host@node-1:30081 -> world-ipv4@world:c TCP ACK SYN, no direction, reply, of outside",
        "node-1 FORWARDED to-network reply: host@node-1:30081 -> world-ipv4@world:c TCP ACK FIN, no direction, reply, of outside",
        "node-1 FORWARDED from-network established: world-ipv4@world:c -> host@node-1:30081 TCP ACK FIN, no direction, request, to outside",
        "node-2 FORWARDED to-endpoint new: remote-node@node-1:any -> far:8081 TCP SYN, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8081 -> remote-node@node-1:any TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-stack reply: far:8081 -> remote-node@node-1:any TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: remote-node@node-1:any -> far:8081 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "the world to a node port, of a pod of that node",
      from: "world",
      send: ask("udp", to("node-2"), nodePorts.outside),
      flows: [
        "node-2 FORWARDED from-network new: world-ipv4@world:c -> host@node-2:30081 UDP, no direction, request, to outside",
        "node-2 FORWARDED to-endpoint new: world-ipv4@world:c -> far:8081 UDP, ingress, request, to outside",
        "node-2 FORWARDED to-network reply: far@node-2:30081 -> world-ipv4@world:c UDP, ingress, reply, of outside",
      ],
      native: [
        "node-2 FORWARDED from-network new: world-ipv4@world:c -> host@node-2:30081 UDP, no direction, request, to outside",
        "node-2 FORWARDED to-endpoint new: world-ipv4@world:c -> far:8081 UDP, ingress, request, to outside",
        "node-2 FORWARDED to-network reply: far@node-2:30081 -> world-ipv4@world:c UDP, ingress, reply, of outside",
      ],
    },
    {
      what: "the world to a load balancer",
      from: "world",
      send: ask("udp", to("balanced.balancer"), 80),
      ports: [portsOf.balanced],
      flows: [
        "node-1 FORWARDED from-network new: world-ipv4@world:c -> world-ipv4@balanced.balancer:80 UDP, no direction, request, to balanced",
        "node-2 FORWARDED to-endpoint new: world-ipv4@router-1:any -> far:8082 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: far:8082 -> remote-node@router-1:any UDP, ingress, reply",
      ],
      native: [
        "node-1 FORWARDED from-network new: world-ipv4@world:c -> world-ipv4@balanced.balancer:80 UDP, no direction, request, to balanced",
        "node-2 FORWARDED to-endpoint new: remote-node@node-1:any -> far:8082 UDP, ingress, request",
        "node-2 FORWARDED to-stack reply: far:8082 -> remote-node@node-1:any UDP, ingress, reply",
      ],
    },
    {
      what: "the world to a load balancer of others",
      from: "world",
      send: ask("udp", to("foreign.balancer"), 80, 300),
      comesTo: "timeout",
      flows: [
        "node-1 DROPPED DENIED_BY_LB_SRC_RANGE_CHECK: world-ipv4@world:c -> world-ipv4@foreign.balancer:80 UDP, ingress, to foreign",
      ],
      native: [
        "node-1 DROPPED DENIED_BY_LB_SRC_RANGE_CHECK: world-ipv4@world:c -> world-ipv4@foreign.balancer:80 UDP, ingress, to foreign",
      ],
    },
  ];
}

/**
 * The cluster's DNS serves IPv4, on any node; asked from the other one.
 * @param there the DNS pod's node
 */
export function dnsRow(there: string): Row {
  const [here, client] = there === "node-2" ? ["node-1", "client"] : ["node-2", "far"];
  const dns = "kube-system/kube-dns";
  return {
    what: "a name that a pod asks the cluster's DNS for",
    from: client,
    send: { kind: "run", command: () => ["getent", "ahostsv4", "web.flows.svc.cluster.local."] },
    ports: [53],
    flows: [
      `${here} TRACED pre-xlate-fwd: ${client} -> world-ipv4@kube-dns.service:53 UDP, no direction, to ${dns}`,
      `${here} TRANSLATED post-xlate-fwd: ${client} -> ${dns}:53 UDP, no direction`,
      `${here} FORWARDED to-overlay new: ${client}:any -> ${dns}:53 UDP, egress, request`,
      `${here} FORWARDED to-endpoint reply: ${dns}:53 -> ${client}:any UDP, egress, reply`,
      `${there} FORWARDED to-endpoint new: ${client}:any -> ${dns}:53 UDP, ingress, request`,
      `${there} FORWARDED to-overlay reply: ${dns}:53 -> ${client}:any UDP, ingress, reply`,
    ],
    native: [
      `${here} FORWARDED to-stack new: ${client}:any -> ${dns}:53 UDP, egress, request, to ${dns}`,
      `${here} FORWARDED to-endpoint reply: k8s-app=kube-dns@kube-dns.service:53 -> ${client}:any UDP, egress, reply, of ${dns}`,
      `${there} FORWARDED to-endpoint new: ${client}:any -> ${dns}:53 UDP, ingress, request`,
      `${there} FORWARDED to-stack reply: ${dns}:53 -> ${client}:any UDP, ingress, reply`,
    ],
  };
}
