// The worker's settings from the agent's configuration.
import type { AgentConfig } from "../config/keys.ts";
import type { PolicyWorkerSettings } from "./model.ts";

export function policySettings(config: AgentConfig): PolicyWorkerSettings {
  const isMode = (word: string) => word === "nodes" || word === "pods";
  return {
    enablePolicy: config["enable-policy"],
    // "auto" is for clusters without Kubernetes, of which there are none here.
    allowLocalhost: config["allow-localhost"] !== "policy",
    cidrMatchMode: config["policy-cidr-match-mode"].filter(isMode),
    audit: config["policy-audit-mode"],
    denyResponse: config["policy-deny-response"],
    clusterName: config["cluster-name"],
    kubernetesIpBlock: config["k8s-ipblock-match"],
    nodeSelectorLabels: config["enable-node-selector-labels"],
    dualStack: config["enable-ipv4"] && config["enable-ipv6"],
    proxiesL7: config["enable-l7-proxy"],
    tunnel: config["routing-mode"] === "tunnel",
  };
}
