// The client of the API server that the configuration names.
import { KubeClient } from "@tsilium/kube";
import type { AgentConfig } from "./config/keys.ts";

export function kubeClient(config: AgentConfig): KubeClient {
  const named = { userAgent: "tsilium-agent" };
  return config.kubeconfig === ""
    ? KubeClient.inCluster(named)
    : KubeClient.fromKubeconfig(config.kubeconfig, named);
}
