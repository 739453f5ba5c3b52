// Keys that the operator reads from the ConfigMap that it shares with the agent: known here, and not judged.
import { type Keys, text } from "@tsilium/runtime/config.ts";

const help = "read by the operator";

export const operatorKeys = {
  "leader-election-lease-duration": text("", help),
  "leader-election-renew-deadline": text("", help),
  "leader-election-retry-period": text("", help),
  "identity-gc-interval": text("", help),
  "identity-heartbeat-timeout": text("", help),
  "identity-gc-rate-interval": text("", help),
  "identity-gc-rate-limit": text("", help),
} satisfies Keys;
