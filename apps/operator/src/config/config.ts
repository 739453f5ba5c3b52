// The operator's configuration: flags, then environment, then a folder with one file per key, then defaults.
// Folder and environment are shared with the agent (cilium-config), so foreign keys there are not errors.
import { AddressError, type Family, Prefix } from "@tsilium/net";
import {
  choice,
  duration,
  flag,
  type Keys,
  loadKeys,
  text,
  type ValuesOf,
  wholeNumber,
  words,
} from "@tsilium/runtime/config.ts";
import type { PodCidrPool } from "../pod-cidrs/decide.ts";
import { eniContradictions, eniKeys } from "./eni-keys.ts";
import { identityGcKeys } from "./identity-gc-keys.ts";
import { ipamKeys, poolContradictions } from "./ipam-keys.ts";
import { leaderContradictions, leaderKeys } from "./leader-keys.ts";

export const keys = {
  kubeconfig: text("", "kubeconfig file; empty: the pod's service account"),
  "cluster-name": text("default", "name of the cluster, in tags of what is made in a cloud"),
  "enable-ipv4": flag(true, "give nodes IPv4 pod CIDRs"),
  "enable-ipv6": flag(true, "give nodes IPv6 pod CIDRs"),
  ...ipamKeys,
  "cluster-pool-ipv4-cidr": words("IPv4 ranges for pod CIDRs; empty: 10.0.0.0/8"),
  "cluster-pool-ipv4-mask-size": wholeNumber(24, [8, 30], "length of a node's IPv4 pod CIDR"),
  "cluster-pool-ipv6-cidr": words("IPv6 ranges for pod CIDRs; empty: fd00::/56"),
  "cluster-pool-ipv6-mask-size": wholeNumber(64, [16, 126], "length of a node's IPv6 pod CIDR"),
  "cilium-endpoint-gc-interval": duration(
    300_000,
    "time between sweeps of CiliumEndpoints without a pod; 0: none",
  ),
  ...eniKeys,
  ...identityGcKeys,
  ...leaderKeys,
  "enable-node-selector-labels": flag(
    false,
    "nodes have identities of their labels: policies may name nodes by them",
  ),
  "enable-k8s-cluster-network-policy": flag(
    true,
    "install the definition of ClusterNetworkPolicy, and judge its objects",
  ),
  "enable-lb-ipam": flag(
    true,
    "give services of type LoadBalancer addresses from CiliumLoadBalancerIPPools",
  ),
  "default-lb-service-ipam": choice(
    "lbipam",
    ["lbipam", "none"],
    "who gives addresses to services without a loadBalancerClass",
  ),
  "enable-policy-secrets-sync": flag(
    true,
    "copy secrets that policies name to the namespace that agents read them from",
  ),
  "policy-secrets-namespace": text(
    "cilium-secrets",
    "namespace of these copies; made if it is missing",
  ),
  "policy-webhook-serve-addr": text(
    ":9443",
    "address where API servers have policies judged before they are stored; empty: none",
  ),
  "policy-webhook-address": text(
    "",
    "how API servers reach it: a host, or namespace/name of a Service (port 443); empty: this machine's address",
  ),
  "operator-prometheus-serve-addr": text(
    "127.0.0.1:9963",
    "address of Prometheus metrics; empty: none",
  ),
  "operator-api-serve-addr": text("127.0.0.1:9234", "address of /healthz; empty: none"),
  "log-level": choice(
    "info",
    ["trace", "debug", "info", "warn", "error", "fatal"],
    "least level logged",
  ),
} satisfies Keys;

export type OperatorConfig = ValuesOf<typeof keys>;

/** @param args the command line after the program's name. @throws ConfigError */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): OperatorConfig {
  return loadKeys(keys, { args, environment, shared: true, contradictions }).values;
}

/** Families that the cluster has, the default one first. */
export function familiesOf(config: OperatorConfig): Family[] {
  return [
    ...(config["enable-ipv4"] ? [4 as const] : []),
    ...(config["enable-ipv6"] ? [6 as const] : []),
  ];
}

const defaultRanges = { 4: "10.0.0.0/8", 6: "fd00::/56" } as const;

/** Where each enabled family's blocks come from. @throws AddressError for a range that is none */
export function podCidrPools(config: OperatorConfig): PodCidrPool[] {
  const families = [
    [4, config["enable-ipv4"], "cluster-pool-ipv4-cidr", "cluster-pool-ipv4-mask-size"],
    [6, config["enable-ipv6"], "cluster-pool-ipv6-cidr", "cluster-pool-ipv6-mask-size"],
  ] as const;
  return families.flatMap(([family, enabled, rangesKey, maskKey]) => {
    const texts = config[rangesKey].length > 0 ? config[rangesKey] : [defaultRanges[family]];
    const ranges = texts.map((range) => Prefix.parse(range));
    return enabled ? [{ family, ranges, maskSize: config[maskKey] }] : [];
  });
}

/** Settings that are fine one by one and senseless together. */
function contradictions(config: OperatorConfig): string[] {
  const ofPools = poolContradictions(config);
  if (ofPools.length > 0) return ofPools;
  const ofLeaders = leaderContradictions(config);
  if (ofLeaders.length > 0) return ofLeaders;
  const ofEni = eniContradictions(config);
  if (ofEni.length > 0) return ofEni;
  if (!config["enable-ipv4"] && !config["enable-ipv6"])
    return ["enable-ipv4 and enable-ipv6 are both false: nodes would have no pod CIDR"];
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(config["policy-secrets-namespace"]))
    return ["policy-secrets-namespace is no name of a namespace"];
  try {
    return podCidrPools(config).flatMap(({ family, ranges, maskSize }) =>
      ranges.flatMap((range) => {
        const key = `cluster-pool-ipv${family}-cidr`;
        if (range.family !== family) return [`${key}: ${range} is no IPv${family} range`];
        return range.length > maskSize
          ? [`${key}: ${range} is smaller than one block of length ${maskSize}`]
          : [];
      }),
    );
  } catch (error) {
    if (error instanceof AddressError) return [error.message];
    throw error;
  }
}
