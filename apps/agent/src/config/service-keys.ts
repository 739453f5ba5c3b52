// Configuration keys of services. Those of the parts of kube-proxy's work are as kube-proxy-replacement unless they are
// set, so that each can be had on its own beside a kube-proxy.
import {
  choice,
  cidrs,
  flag,
  flagAs,
  numberOf,
  text,
  wholeNumber,
} from "@tsilium/runtime/config.ts";

/** Primes, as Cilium allows them. */
const maglevSizes = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071] as const;
const whole = "kube-proxy-replacement";

export const serviceKeys = {
  "kube-proxy-replacement": flag(
    false,
    "serve all kinds of services, without a kube-proxy; false: cluster IPs of pods' packets, and what is switched on below",
  ),
  "bpf-lb-sock": flagAs(whole, "balance at connect() and sendmsg(), of pods and of the node"),
  "bpf-lb-sock-hostns-only": flag(
    false,
    "balance sockets of the node's own network namespace alone, pods' packets instead of their sockets",
  ),
  "enable-node-port": flagAs(whole, "serve node ports and load balancers' addresses"),
  "enable-external-ips": flagAs(whole, "serve services' external IPs"),
  "enable-host-port": flagAs(whole, "serve host ports of this node's pods"),
  "k8s-service-proxy-name": text(
    "",
    "serve only services with this service.kubernetes.io/service-proxy-name; empty: those without",
  ),

  // From outside
  "bpf-lb-mode": choice(
    "snat",
    ["snat", "dsr", "hybrid"],
    "how packets from outside reach backends of other nodes; dsr: they answer directly; hybrid: TCP does",
  ),
  "bpf-lb-dsr-dispatch": choice(
    "opt",
    ["opt", "ipip"],
    "how dsr tells a backend's node of the frontend: by an IP option, or with native routing in an IP packet around it",
  ),
  "bpf-lb-mode-annotation": flag(
    false,
    "services choose their mode (service.cilium.io/forwarding-mode)",
  ),
  "bpf-lb-acceleration": choice(
    "disabled",
    ["disabled", "native", "best-effort", "testing-only"],
    "balance in XDP; best-effort: where drivers can; testing-only: generic XDP",
  ),
  "bpf-lb-external-clusterip": flag(false, "clients from outside may use cluster IPs"),
  "bpf-lb-source-range-all-types": flag(
    false,
    "loadBalancerSourceRanges hold for all of a service's addresses, not just the load balancer's",
  ),
  "nodeport-addresses": cidrs("addresses of the node that serve node ports; empty: all of them"),
  "node-port-bind-protection": flag(true, "bind() to a service's node port fails"),
  "enable-auto-protect-node-port-range": flag(
    true,
    "reserve node ports that the kernel would otherwise use for connections (ip_local_reserved_ports)",
  ),
  "enable-health-check-nodeport": flag(true, "serve services' healthCheckNodePort"),
  "kube-proxy-replacement-healthz-bind-address": text(
    "",
    "address of a /healthz as kube-proxy has it, such as 0.0.0.0:10256; empty: none",
  ),

  // Whom
  "bpf-lb-algorithm": choice("random", ["random", "maglev"], "how backends are chosen"),
  "bpf-lb-algorithm-annotation": flag(
    false,
    "services choose their algorithm (service.cilium.io/lb-algorithm)",
  ),
  "bpf-lb-maglev-table-size": numberOf(16381, maglevSizes, "entries of a service's Maglev table"),
  "bpf-lb-maglev-hash-seed": text(
    "JLfvgnHc2kaSUFaI",
    "12 bytes in base64, the same on all nodes of the cluster",
  ),
  "service-no-backend-response": choice(
    "reject",
    ["reject", "drop"],
    "what clients of a service without backends hear: an ICMP error or a reset, or nothing",
  ),
  "enable-service-topology": flag(
    false,
    "prefer backends that endpoints' hints name (trafficDistribution, topology-mode)",
  ),
  "enable-local-redirect-policy": flag(false, "follow CiliumLocalRedirectPolicies"),
  "lrp-address-matcher-cidrs": cidrs(
    "addresses that an addressMatcher may name; empty: all that are nobody's",
  ),

  // Sockets and tables
  "bpf-lb-sock-terminate-pod-connections": flag(
    true,
    "close pods' sockets, too, whose backend is gone",
  ),
  "bpf-lb-sock-terminate-all-protos": flag(
    false,
    "close TCP sockets, too, whose backend is gone; without: UDP alone",
  ),
  "cgroup-root": text(
    "",
    "cgroup v2 folder that the node's processes and pods are in; empty: where cgroup2 is mounted",
  ),
  "bpf-lb-map-max": wholeNumber(
    0,
    [0, 16_777_216],
    "entries in each table of services; 0: 524288, and 1048576 slots",
  ),
} as const;
