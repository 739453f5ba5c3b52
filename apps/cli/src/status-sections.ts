// The parts of an agent's status in sections: the agent's own, its proxies, what of kube-proxy's work it does. Pure.
import type { PartHealth } from "./api.ts";

export type StatusSection = { readonly title: string; readonly parts: readonly PartHealth[] };

/** Names that the agent gives to features of services (apps/agent/src/services/features.ts). */
const featurePattern =
  /^(KubeProxyReplacement|Socket LB|NodePort Bind Protection|LB Mode|Backend Selection|XDP Acceleration|Session Affinity|Graceful Termination|Local Redirect Policy$|Services )/;

/** Names of the parts of proxies (apps/agent/src/proxy/health.ts). */
const proxyPattern = /^proxy( |$)/;

/** Sections that have parts. */
export function sections(parts: readonly PartHealth[]): StatusSection[] {
  const features = parts.filter(({ name }) => featurePattern.test(name));
  const proxies = parts.filter(({ name }) => proxyPattern.test(name));
  const others = parts.filter(({ name }) => !featurePattern.test(name) && !proxyPattern.test(name));
  return [
    { title: "", parts: others },
    { title: "Proxy Status", parts: proxies },
    { title: "kube-proxy replacement", parts: features },
  ].filter((section) => section.parts.length > 0);
}
