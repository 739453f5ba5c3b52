// Settings of policy at L7 that are fine one by one and senseless together.
import { isAbsolute } from "node:path";
import type { AgentConfig } from "./keys.ts";

/** What is wrong, a sentence each. */
export function proxyContradictions(config: AgentConfig): string[] {
  if (!config["enable-l7-proxy"]) return [];
  return [
    ...(isAbsolute(config["haproxy-path"])
      ? []
      : [`haproxy-path: wanted an absolute path, got "${config["haproxy-path"]}"`]),
    ...(config["l7-engine"] === "envoy" && config["envoy-path"] === ""
      ? ["l7-engine envoy needs envoy-path"]
      : []),
  ];
}
