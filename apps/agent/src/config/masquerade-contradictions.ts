// Settings of masquerading that are fine one by one and senseless together.
import { isAbsolute } from "node:path";
import type { AgentConfig } from "./keys.ts";

/** What is wrong, a sentence each. */
export function masqueradeContradictions(config: AgentConfig): string[] {
  if (!config["enable-ip-masq-agent"]) return [];
  const file = config["ip-masq-agent-config-path"];
  return [
    ...(config["enable-ipv4-masquerade"] || config["enable-ipv6-masquerade"]
      ? []
      : [
          "enable-ip-masq-agent says what is not masqueraded, and nothing is: set enable-ipv4-masquerade or enable-ipv6-masquerade",
        ]),
    ...(isAbsolute(file)
      ? []
      : [`ip-masq-agent-config-path: wanted an absolute path, got "${file}"`]),
  ];
}
