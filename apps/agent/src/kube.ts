// The client of the API server that the configuration names.
import { KubeClient } from "@tsilium/kube";
import type { AgentConfig } from "./config/keys.ts";

export function kubeClient(config: AgentConfig): KubeClient {
  return config.kubeconfig === ""
    ? KubeClient.inCluster()
    : KubeClient.fromKubeconfig(config.kubeconfig);
}
