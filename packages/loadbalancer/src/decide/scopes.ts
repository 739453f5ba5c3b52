// Which endpoints which clients get, by a service's traffic policies.
import type { ParsedService } from "../kube/service.ts";
import type { FrontendType } from "../model.ts";

/**
 * cluster: every endpoint. local: this node's; without one clients are refused. local-silent: this node's; without one clients
 * hear nothing, since a load balancer that has not noticed yet tries again elsewhere.
 */
export type SetScope = "cluster" | "local" | "local-silent";

/** internalTrafficPolicy holds at all of a service's addresses, as in Cilium; kube-proxy heeds it at cluster IPs alone. */
export function scopesOf(
  { externalTrafficPolicy, internalTrafficPolicy }: ParsedService,
  type: FrontendType,
): { readonly external: SetScope; readonly internal: SetScope } {
  const internal = internalTrafficPolicy === "Local" ? "local" : "cluster";
  if (type === "ClusterIP") return { external: internal, internal };
  return { external: externalTrafficPolicy === "Local" ? "local-silent" : "cluster", internal };
}
