// What load balancers hear on a service's healthCheckNodePort, as from kube-proxy (pkg/proxy/healthcheck).
import type { DecidedService, HealthCheck } from "./model.ts";

export type HealthAnswer = {
  /** 200: send traffic here; 503: do not. */
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: {
    readonly service: { readonly namespace: string; readonly name: string };
    readonly localEndpoints: number;
    readonly serviceProxyHealthy: boolean;
  };
};

/** `isProxyHealthy`: whether this node's services are up to date in the kernel. */
export function healthAnswer(
  { namespace, name, healthCheck }: DecidedService & { readonly healthCheck: HealthCheck },
  isProxyHealthy: boolean,
): HealthAnswer {
  const { localEndpoints } = healthCheck;
  return {
    status: localEndpoints > 0 && isProxyHealthy ? 200 : 503,
    headers: {
      "Content-Type": "application/json",
      "X-Content-Type-Options": "nosniff",
      "X-Load-Balancing-Endpoint-Weight": `${localEndpoints}`,
    },
    body: { service: { namespace, name }, localEndpoints, serviceProxyHealthy: isProxyHealthy },
  };
}
