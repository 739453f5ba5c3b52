// Keys of where pods' addresses come from (docs/ipam.md).
import { choice, flag, type Keys, text, words } from "@tsilium/runtime/config.ts";

export const ipamKeys = {
  ipam: choice(
    "cluster-pool",
    ["cluster-pool", "kubernetes", "multi-pool", "crd", "eni", "delegated-plugin"],
    "where pods' addresses come from",
  ),
  "ipam-default-ip-pool": text(
    "default",
    "multi-pool: CiliumPodIPPool of pods whose annotations, and whose namespace's, name none",
  ),
  "ipam-multi-pool-pre-allocation": words(
    "multi-pool: pool=count, how many addresses a node keeps free of a pool; empty: 8 of the default pool",
  ),
  "local-router-ipv4": text("", "delegated-plugin: IPv4 address of tsi_host, the pods' gateway"),
  "local-router-ipv6": text("", "delegated-plugin: IPv6 address of tsi_host, the pods' gateway"),
  "k8s-require-ipv4-pod-cidr": flag(
    true,
    "kubernetes: wait for the Node's IPv4 pod CIDR; there is no other way",
  ),
  "k8s-require-ipv6-pod-cidr": flag(
    true,
    "kubernetes: wait for the Node's IPv6 pod CIDR; there is no other way",
  ),
  "cni-chaining-mode": choice(
    "none",
    ["none", "generic-veth"],
    "generic-veth: take over the veth pair that the plugin before this one in the list made",
  ),
  "auto-create-cilium-pod-ip-pools": text("", "read by the operator"),
} satisfies Keys;
