// Configuration keys of destinations that are not masqueraded. Names are Cilium's.
import { flag, text } from "@tsilium/runtime/config.ts";

export const masqueradeKeys = {
  "enable-ip-masq-agent": flag(
    false,
    "let pods reach the CIDRs of ip-masq-agent's configuration with their own address",
  ),
  "ip-masq-agent-config-path": text(
    "/etc/config/ip-masq-agent",
    "ip-masq-agent's configuration; read again whenever it changes",
  ),
};
