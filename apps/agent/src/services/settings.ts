// What holds for all services of the node, from the agent's configuration. Pure.
import type { LoadBalancerSettings } from "@tsilium/loadbalancer/model.ts";
import type { AgentConfig } from "../config/keys.ts";

export function loadBalancerSettings(config: AgentConfig): LoadBalancerSettings {
  const matcherCidrs = config["lrp-address-matcher-cidrs"];
  return {
    enableIpv4: config["enable-ipv4"],
    enableIpv6: config["enable-ipv6"],
    nodePort: config["enable-node-port"],
    externalIps: config["enable-external-ips"],
    hostPort: config["enable-host-port"],
    nodePortRange: config["node-port-range"],
    nodePortAddresses: config["nodeport-addresses"],
    mode: config["bpf-lb-mode"],
    modeAnnotation: config["bpf-lb-mode-annotation"],
    algorithm: config["bpf-lb-algorithm"],
    algorithmAnnotation: config["bpf-lb-algorithm-annotation"],
    externalClusterIp: config["bpf-lb-external-clusterip"],
    sourceRangeAllTypes: config["bpf-lb-source-range-all-types"],
    noBackendResponse: config["service-no-backend-response"],
    serviceTopology: config["enable-service-topology"],
    localRedirectPolicy: config["enable-local-redirect-policy"],
    addressMatcherCidrs: matcherCidrs.length === 0 ? undefined : matcherCidrs,
    serviceProxyName: config["k8s-service-proxy-name"],
  };
}
