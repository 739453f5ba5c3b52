// Settings of IPAM that are fine one by one and senseless together.
import { Address } from "@tsilium/net";
import { preAllocations } from "../ipam/multi-pool/demand.ts";
import { eniContradictions } from "./eni-keys.ts";
import type { AgentConfig } from "./keys.ts";

export function ipamContradictions(config: AgentConfig): string[] {
  return [
    ...delegated(config),
    ...nativeRouting(config),
    ...(["k8s-require-ipv4-pod-cidr", "k8s-require-ipv6-pod-cidr"] as const).flatMap((key) =>
      config.ipam === "kubernetes" && !config[key]
        ? [`${key} is false: with ipam kubernetes every enabled family comes from the Node`]
        : [],
    ),
    ...multiPool(config),
    ...eniContradictions(config),
  ];
}

function delegated(config: AgentConfig): string[] {
  const health = config["enable-health-checking"] && config["enable-endpoint-health-checking"];
  const ofHealth =
    config.ipam === "delegated-plugin" && health
      ? [
          "ipam delegated-plugin has no addresses for the health endpoint: set enable-endpoint-health-checking to false",
        ]
      : [];
  return [...ofHealth, ...delegatedRouters(config)];
}

/** No plugin hands out the gateway of all pods. */
function delegatedRouters(config: AgentConfig): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const key = `local-router-ipv${family}` as const;
    const value = config[key];
    const wanted = config.ipam === "delegated-plugin" && config[`enable-ipv${family}`];
    if (value === "")
      return wanted ? [`ipam delegated-plugin needs ${key}, which no plugin hands out`] : [];
    return Address.tryParse(value)?.family === family ? [] : [`${key}: ${value} is no address`];
  });
}

/** Only cluster-pool says by itself which addresses are the cluster's, and a cloud which ones are its network's. */
function nativeRouting(config: AgentConfig): string[] {
  const knows = config.ipam === "cluster-pool" || config.ipam === "eni";
  if (config["routing-mode"] !== "native" || knows) return [];
  return ([4, 6] as const).flatMap((family) => {
    const key = `ipv${family}-native-routing-cidr` as const;
    const masquerades = config[`enable-ipv${family}`] && config[`enable-ipv${family}-masquerade`];
    return masquerades && !config[key]
      ? [`routing-mode native with ipam ${config.ipam} needs ${key}: who is not masqueraded`]
      : [];
  });
}

function multiPool(config: AgentConfig): string[] {
  try {
    preAllocations(config["ipam-multi-pool-pre-allocation"], config["ipam-default-ip-pool"]);
    return [];
  } catch (error) {
    return [`ipam-multi-pool-pre-allocation: ${(error as Error).message}`];
  }
}
