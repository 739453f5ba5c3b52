// Keys about identities that nobody uses any more, named as Cilium's.
import { duration, type Keys, wholeNumber } from "@tsilium/runtime/config.ts";

export const identityGcKeys = {
  "identity-gc-interval": duration(
    900_000,
    "time between looks for CiliumIdentities that nobody uses, shorter when numbers run out; 0: none are removed",
  ),
  "identity-heartbeat-timeout": duration(
    1_800_000,
    "time for which a CiliumIdentity is unused before it is marked, and again before it is removed; shorter when numbers run out",
  ),
  "identity-gc-rate-interval": duration(60_000, "time that identity-gc-rate-limit is about"),
  "identity-gc-rate-limit": wholeNumber(
    0,
    [0, 1_000_000],
    "CiliumIdentities removed in identity-gc-rate-interval at most; 0: by how many come and how many are due",
  ),
} satisfies Keys;
