// Traffic that policies allow, deny or only audit, and its flows.
//
//   node-1: jailed, warned (egress)        node-2: strict, ruled, crowded, audited, polite, blunt (ingress)
import type { KubeObject } from "@tsilium/kube";
import type { Family } from "../services/service-lab.ts";
import { service } from "../services/service-objects.ts";
import { namespace, nodePorts, pod, portsOf } from "./flow-lab.ts";
import { ask, ping, type Row } from "./traffic.ts";

type To = (name: string) => (family: Family) => string;

const app = (name: string) => ({ matchLabels: { app: name } });
const client = app("client");
const echo = { ports: [{ port: "8080", protocol: "TCP" }] };

function policy(
  kind: "NetworkPolicy" | "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy",
  name: string,
  spec: object,
  annotations: Readonly<Record<string, string>> = {},
): KubeObject {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  const place = kind === "CiliumClusterwideNetworkPolicy" ? {} : { namespace };
  return { apiVersion, kind, metadata: { name, ...place, annotations }, spec } as KubeObject;
}

/** Selected by `app: NAME`: nobody may speak to it. */
export function isolating(name: string, pod: string, annotations = {}): KubeObject {
  const spec = { podSelector: app(pod), policyTypes: ["Ingress"] };
  return policy("NetworkPolicy", name, spec, annotations);
}

export function policyObjects(): KubeObject[] {
  return [
    pod("jailed", "node-1"),
    pod("warned", "node-1"),
    pod("strict", "node-2", [portsOf.guarded]),
    pod("ruled", "node-2"),
    pod("crowded", "node-2"),
    pod("audited", "node-2"),
    pod("polite", "node-2"),
    pod("blunt", "node-2"),
    service("guarded", namespace, {
      type: "NodePort",
      selector: { app: "strict" },
      ports: [
        {
          name: "udp",
          port: 80,
          protocol: "UDP",
          targetPort: portsOf.guarded,
          nodePort: nodePorts.guarded,
        },
      ],
    }),
    policy("NetworkPolicy", "strict", {
      podSelector: app("strict"),
      policyTypes: ["Ingress"],
      ingress: [
        { from: [{ podSelector: app("nobody") }] },
        {
          from: [{ podSelector: client }, { podSelector: app("warned") }],
          ports: [{ port: 8080, protocol: "TCP" }],
        },
      ],
    }),
    policy("CiliumNetworkPolicy", "ruled", {
      endpointSelector: app("ruled"),
      ingress: [{ fromEntities: ["all"] }],
      ingressDeny: [
        { fromEndpoints: [app("nobody")] },
        { fromEndpoints: [client], toPorts: [echo] },
      ],
    }),
    isolating("crowded", "crowded"),
    policy("CiliumNetworkPolicy", "crowded-too", {
      endpointSelector: app("crowded"),
      ingress: [{ fromEndpoints: [app("nobody")] }],
    }),
    policy("CiliumClusterwideNetworkPolicy", "crowded-everywhere", {
      endpointSelector: app("crowded"),
      ingress: [{}],
    }),
    isolating("audited", "audited", { "policy.tsilium.io/enforcement": "audit" }),
    isolating("polite", "polite", { "policy.tsilium.io/deny-response": "icmp" }),
    isolating("blunt", "blunt", { "policy.tsilium.io/deny-response": "rst" }),
    policy("NetworkPolicy", "jailed", { podSelector: app("jailed"), policyTypes: ["Egress"] }),
    policy("CiliumClusterwideNetworkPolicy", "jailed-everywhere", {
      endpointSelector: app("jailed"),
      egress: [{ toEndpoints: [app("near")] }],
    }),
    policy("CiliumNetworkPolicy", "warned", {
      endpointSelector: app("warned"),
      egress: [{ toEntities: ["cluster"] }],
      egressDeny: [{ toEntities: ["world"] }],
    }),
  ];
}

export function policyRows(to: To): Row[] {
  const impatient = 300;
  return [
    {
      what: "allowed at the receiver",
      from: "client",
      send: ask("tcp", to("strict"), 8080),
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> strict:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: strict:8080 -> client:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: strict:8080 -> client:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-overlay established: client:c -> strict:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED policy-verdict:2: client:c -> strict:8080 TCP SYN, ingress, request, allowed by NetworkPolicy strict spec.ingress[1]",
        "node-2 FORWARDED to-endpoint new: client:c -> strict:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: strict:8080 -> client:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: strict:8080 -> client:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: client:c -> strict:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "allowed at both ends",
      from: "warned",
      send: ask("tcp", to("strict"), 8080),
      flows: [
        "node-1 FORWARDED policy-verdict:1: warned:c -> strict:8080 TCP SYN, egress, request, allowed at egress by CiliumNetworkPolicy warned spec.egress[0]",
        "node-1 FORWARDED to-overlay new: warned:c -> strict:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: strict:8080 -> warned:c TCP ACK SYN, egress, reply",
        "node-1 FORWARDED to-endpoint reply: strict:8080 -> warned:c TCP ACK FIN, egress, reply",
        "node-1 FORWARDED to-overlay established: warned:c -> strict:8080 TCP ACK FIN, egress, request",
        "node-2 FORWARDED policy-verdict:2: warned:c -> strict:8080 TCP SYN, ingress, request, allowed by NetworkPolicy strict spec.ingress[1]",
        "node-2 FORWARDED to-endpoint new: warned:c -> strict:8080 TCP SYN, ingress, request",
        "node-2 FORWARDED to-overlay reply: strict:8080 -> warned:c TCP ACK SYN, ingress, reply",
        "node-2 FORWARDED to-overlay reply: strict:8080 -> warned:c TCP ACK FIN, ingress, reply",
        "node-2 FORWARDED to-endpoint established: warned:c -> strict:8080 TCP ACK FIN, ingress, request",
      ],
    },
    {
      what: "allowed by another kind of policy",
      from: "near",
      send: ask("udp", to("ruled"), 8080),
      flows: [
        "node-1 FORWARDED to-overlay new: near:c -> ruled:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: ruled:8080 -> near:c UDP, egress, reply",
        "node-2 FORWARDED policy-verdict:4: near:c -> ruled:8080 UDP, ingress, request, allowed by CiliumNetworkPolicy ruled spec.ingress[0]",
        "node-2 FORWARDED to-endpoint new: near:c -> ruled:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: ruled:8080 -> near:c UDP, ingress, reply",
      ],
    },
    {
      what: "denied by default, by the receiver's NetworkPolicy",
      from: "client",
      send: ask("udp", to("strict"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> strict:8080 UDP, egress, request",
        "node-2 DROPPED POLICY_DENIED: client:c -> strict:8080 UDP, ingress, denied by NetworkPolicy strict spec",
      ],
    },
    {
      what: "denied by default, a ping",
      from: "client",
      send: ping(to("strict"), "-W", "0.2"),
      icmp: ["client", "strict"],
      flows: [
        "node-1 FORWARDED to-overlay new: client -> strict ICMPv4 EchoRequest, egress, request",
        "node-2 DROPPED POLICY_DENIED: client -> strict ICMPv4 EchoRequest, ingress, denied by NetworkPolicy strict spec",
      ],
    },
    {
      what: "denied by default, another node",
      from: "node-1",
      send: ask("udp", to("strict"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-2 DROPPED POLICY_DENIED: remote-node@router-1:c -> strict:8080 UDP, ingress, denied by NetworkPolicy strict spec",
      ],
    },
    {
      what: "denied by default, the world by a service",
      from: "world",
      send: ask("udp", to("node-2"), nodePorts.guarded, impatient),
      comesTo: "timeout",
      ports: [portsOf.guarded],
      flows: [
        "node-2 FORWARDED from-network new: world-ipv4@world:c -> host@node-2:30084 UDP, no direction, request, to guarded",
        "node-2 DROPPED POLICY_DENIED: world-ipv4@world:c -> strict:8084 UDP, ingress, to guarded, denied by NetworkPolicy strict spec",
      ],
    },
    {
      what: "denied by a rule",
      from: "client",
      send: ask("tcp", to("ruled"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> ruled:8080 TCP SYN, egress, request",
        "node-2 DROPPED POLICY_DENY: client:c -> ruled:8080 TCP SYN, ingress, denied by CiliumNetworkPolicy ruled spec.ingressDeny[1]",
      ],
    },
    {
      what: "denied by default, by policies of every kind",
      from: "client",
      send: ask("udp", to("crowded"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> crowded:8080 UDP, egress, request",
        "node-2 DROPPED POLICY_DENIED: client:c -> crowded:8080 UDP, ingress, denied by CiliumClusterwideNetworkPolicy crowded-everywhere spec and CiliumNetworkPolicy crowded-too spec and NetworkPolicy crowded spec",
      ],
    },
    {
      what: "what is only audited goes through",
      from: "client",
      send: ask("udp", to("audited"), 8080),
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> audited:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint reply: audited:8080 -> client:c UDP, egress, reply",
        "node-2 AUDIT policy-verdict:0: client:c -> audited:8080 UDP, ingress, request, denied by NetworkPolicy audited spec",
        "node-2 FORWARDED to-endpoint new: client:c -> audited:8080 UDP, ingress, request",
        "node-2 FORWARDED to-overlay reply: audited:8080 -> client:c UDP, ingress, reply",
      ],
    },
    {
      what: "denied with an ICMP error",
      from: "client",
      send: ask("udp-connected", to("polite"), 8080),
      // EHOSTUNREACH, and EACCES of IPv6.
      comesTo: ["unreachable", "denied"],
      icmp: ["client", "polite"],
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> polite:8080 UDP, egress, request",
        "node-1 FORWARDED to-endpoint related: polite -> client ICMPv4 DestinationUnreachable(CommAdminProhibited), ingress, request",
        "node-2 DROPPED POLICY_DENIED: client:c -> polite:8080 UDP, ingress, denied by NetworkPolicy polite spec",
      ],
    },
    {
      what: "denied with a reset",
      from: "client",
      send: ask("tcp", to("blunt"), 8080),
      comesTo: "refused",
      flows: [
        "node-1 FORWARDED to-overlay new: client:c -> blunt:8080 TCP SYN, egress, request",
        "node-1 FORWARDED to-endpoint reply: blunt:8080 -> client:c TCP ACK RST, egress, reply",
        "node-2 DROPPED POLICY_DENIED: client:c -> blunt:8080 TCP SYN, ingress, denied by NetworkPolicy blunt spec",
      ],
    },
    {
      what: "denied by default at the sender, by two kinds of policies",
      from: "jailed",
      send: ask("udp", to("far"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 DROPPED POLICY_DENIED: jailed:c -> far:8080 UDP, egress, denied at egress by CiliumClusterwideNetworkPolicy jailed-everywhere spec and NetworkPolicy jailed spec",
      ],
    },
    {
      what: "denied by default at the sender, to the world",
      from: "jailed",
      send: ask("udp", to("world"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 DROPPED POLICY_DENIED: jailed:c -> world-ipv4@world:8080 UDP, egress, denied at egress by CiliumClusterwideNetworkPolicy jailed-everywhere spec and NetworkPolicy jailed spec",
      ],
    },
    {
      what: "denied by a rule at the sender",
      from: "warned",
      send: ask("udp", to("world"), 8080, impatient),
      comesTo: "timeout",
      flows: [
        "node-1 DROPPED POLICY_DENY: warned:c -> world-ipv4@world:8080 UDP, egress, denied at egress by CiliumNetworkPolicy warned spec.egressDeny[0]",
      ],
    },
  ];
}
