// /healthz and /livez as kube-proxy has them on port 10256: load balancers outside the cluster ask there whether a node
// serves services, where nobody asks per service.
import type { Page } from "@tsilium/runtime";

export type ProxyState = {
  /** What is decided is in the kernel, or has not been on its way for long. */
  readonly isHealthy: boolean;
  /** When the kernel last held all that was decided, milliseconds since 1970. */
  readonly lastUpdatedMs: number;
  /** The node is not about to go. */
  readonly isEligible: boolean;
};

/** Pages by path. /livez does not say no because the node goes: it would be restarted for that. */
export function proxyHealthPages(state: () => ProxyState): Readonly<Record<string, Page>> {
  const page =
    (isWell: (of: ProxyState) => boolean): Page =>
    async () => {
      const now = state();
      const body = {
        lastUpdated: new Date(now.lastUpdatedMs).toISOString(),
        currentTime: new Date().toISOString(),
        nodeEligible: now.isEligible,
      };
      return {
        status: isWell(now) ? 200 : 503,
        type: "application/json",
        body: JSON.stringify(body),
      };
    };
  return {
    "/healthz": page(({ isHealthy, isEligible }) => isHealthy && isEligible),
    "/livez": page(({ isHealthy }) => isHealthy),
  };
}
