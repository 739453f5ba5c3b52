// Every configuration key of the agent. Names are cilium-config's where the meaning is the same.
import {
  cidr,
  choice,
  duration,
  flag,
  type Keys,
  portRange,
  text,
  wholeNumber,
  words,
  type ValuesOf,
} from "@tsilium/runtime/config.ts";
import { eniKeys } from "./eni-keys.ts";
import { healthKeys } from "./health-keys.ts";
import { hubbleKeys } from "./hubble-keys.ts";
import { operatorKeys } from "./operator-keys.ts";
import { ipamKeys } from "./ipam-keys.ts";
import { masqueradeKeys } from "./masquerade-keys.ts";
import { proxyKeys } from "./proxy-keys.ts";
import { serviceKeys } from "./service-keys.ts";

const size = [0, 16_777_216] as const;

export const keys = {
  // The node and its cluster
  kubeconfig: text("", "kubeconfig file; empty: the pod's service account"),
  "k8s-node-name": text("", "name of this node's Node object; empty: the host's name", {
    environment: "K8S_NODE_NAME",
  }),
  "k8s-namespace": text(
    "kube-system",
    "namespace that Tsilium runs in; CiliumNodeConfigs are read from it",
  ),
  "cluster-name": text("default", "name of the cluster, part of every identity"),
  labels: words(
    "label prefixes that make identities, Cilium's syntax; empty: Cilium's default filter",
  ),
  "identity-allocation-mode": choice("crd", ["crd"], "where identities are agreed upon"),
  "identity-change-grace-period": duration(
    5000,
    "time for which peers may learn a new identity before the datapath uses it",
  ),

  // Addresses
  "enable-ipv4": flag(true, "give pods IPv4 addresses"),
  "enable-ipv6": flag(true, "give pods IPv6 addresses"),
  ...ipamKeys,
  ...eniKeys,
  "cluster-pool-ipv4-cidr": words("IPv4 ranges that the operator carves nodes' pod CIDRs from"),
  "cluster-pool-ipv4-mask-size": wholeNumber(24, [8, 30], "length of a node's IPv4 pod CIDR"),
  "cluster-pool-ipv6-cidr": words("IPv6 ranges that the operator carves nodes' pod CIDRs from"),
  "cluster-pool-ipv6-mask-size": wholeNumber(64, [16, 126], "length of a node's IPv6 pod CIDR"),

  // The operator's, which reads the same ConfigMap
  "cilium-endpoint-gc-interval": text("", "read by the operator"),
  "operator-prometheus-serve-addr": text("", "read by the operator"),
  "operator-api-serve-addr": text("", "read by the operator"),
  "enable-lb-ipam": text("", "read by the operator"),
  "default-lb-service-ipam": text("", "read by the operator"),
  "enable-policy-secrets-sync": text("", "read by the operator"),
  ...operatorKeys,

  // Routing
  "routing-mode": choice("tunnel", ["tunnel", "native"], "how pods of different nodes meet"),
  "tunnel-protocol": choice("vxlan", ["vxlan"], "encapsulation in tunnel mode"),
  "tunnel-port": wholeNumber(8472, [1, 65535], "UDP port of the tunnel"),
  "auto-direct-node-routes": flag(
    false,
    "native: route to other nodes' pods by their node address",
  ),
  "ipv4-native-routing-cidr": cidr(4, "IPv4 destinations that are never masqueraded"),
  "ipv6-native-routing-cidr": cidr(6, "IPv6 destinations that are never masqueraded"),
  "enable-ipv4-masquerade": flag(true, "pods reach the world with the node's IPv4 address"),
  "enable-ipv6-masquerade": flag(true, "pods reach the world with the node's IPv6 address"),
  "enable-bpf-masquerade": flag(true, "masquerade in eBPF; there is no other way"),
  ...masqueradeKeys,
  devices: words(
    "underlay devices, eth+ for all that begin so; empty: those with the node's addresses",
  ),
  mtu: wholeNumber(0, [0, 65535], "underlay MTU in bytes; 0: the device's own"),
  "node-port-range": portRange(
    [30000, 32767],
    "ports of NodePort services; masquerading uses those above",
  ),

  // Policy
  "enable-policy": choice(
    "default",
    ["default", "always", "never"],
    "whom policy holds: those it selects, all pods, or none but those without an identity",
  ),
  "policy-cidr-match-mode": words(
    "what CIDR rules of Cilium's policies match besides the world: nodes, pods",
    ["nodes", "pods"],
  ),
  "k8s-ipblock-match": choice(
    "any",
    ["any", "external"],
    "what NetworkPolicy's ipBlock matches: any: whoever has the address; external: as Cilium's CIDR rules",
  ),
  "allow-localhost": choice(
    "auto",
    ["auto", "always", "policy"],
    "whether the node reaches its pods whatever their ingress policy allows; auto: always",
  ),
  "policy-audit-mode": flag(false, "let through, and tell of, what policy would deny"),
  "policy-deny-response": choice(
    "drop",
    ["drop", "icmp", "rst"],
    "what the sender of a denied packet hears, where the policy does not say",
  ),
  "enable-node-selector-labels": flag(
    false,
    "nodes have identities of their labels, for fromNodes and toNodes",
  ),
  "enable-k8s-networkpolicy": flag(true, "enforce Kubernetes' NetworkPolicies"),
  "enable-k8s-cluster-network-policy": flag(
    true,
    "enforce ClusterNetworkPolicies (policy.networking.k8s.io), where the cluster has them",
  ),

  ...proxyKeys,

  ...serviceKeys,

  ...hubbleKeys,

  ...healthKeys,

  // Kernel tables
  "bpf-root": text("/sys/fs/bpf/tsilium", "folder on a bpffs that holds the pins"),
  "bpf-objects": text("", "folder of compiled eBPF objects; empty: the project's dist/bpf"),
  "bpf-ct-global-tcp-max": wholeNumber(0, size, "TCP entries in conntrack; 0: from memory"),
  "bpf-ct-global-any-max": wholeNumber(0, size, "other entries in conntrack; 0: from memory"),
  "bpf-nat-global-max": wholeNumber(0, size, "masquerading entries; 0: from memory"),
  "bpf-policy-map-max": wholeNumber(
    0,
    size,
    "entries in each of the node's policy tables, all pods together; 0: 1048576 classes, 524288 rules",
  ),
  "conntrack-gc-interval": duration(
    0,
    "time between conntrack sweeps; 0: by how much each sweep finds",
  ),

  // Sockets, files, logs
  "run-dir": text("/var/run/tsilium", "folder of the socket, endpoint state and queued DELs"),
  "cni-conf-dir": text("", "where runtimes read CNI configurations; empty: install nothing"),
  "cni-bin-dir": text("", "where runtimes find CNI plugins; empty: install nothing"),
  "cni-plugin": text("", "built CNI plugin to install; empty: the project's dist/bin/tsilium-cni"),
  "cni-exclusive": flag(true, "set other CNI configurations aside"),
  "prometheus-serve-addr": text("127.0.0.1:9962", "address of Prometheus metrics; empty: none"),
  "agent-health-port": wholeNumber(9879, [0, 65535], "port of /healthz on 127.0.0.1; 0: none"),
  "log-level": choice(
    "info",
    ["trace", "debug", "info", "warn", "error", "fatal"],
    "least level logged",
  ),
} satisfies Keys;

export type KeyName = keyof typeof keys;
export type AgentConfig = ValuesOf<typeof keys>;
