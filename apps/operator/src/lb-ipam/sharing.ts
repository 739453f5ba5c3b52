// Whether two services may have one address between them. Pure.
import type { Labels, ServiceRequest } from "./model.ts";

/** Why they may not, in Cilium's words; undefined when they may. */
export function incompatibility(a: ServiceRequest, b: ServiceRequest): string | undefined {
  if (a.sharingKey === "" || a.sharingKey !== b.sharingKey) return "different sharing key";
  if (!(sharesWith(a, b.namespace) && sharesWith(b, a.namespace)))
    return "different and not permitted namespace";
  const taken = new Set(a.ports);
  if (b.ports.some((port) => taken.has(port))) return "same port and protocol";
  if (a.externalTrafficPolicy !== b.externalTrafficPolicy) return "different ExternalTrafficPolicy";
  if (a.externalTrafficPolicy === "Cluster") return undefined;
  // The address leads to nodes that have pods of the one: they must have pods of the other, too.
  if (isEmpty(a.selector) || isEmpty(b.selector))
    return "ExternalTrafficPolicy local but a service has no selector";
  return a.namespace === b.namespace && sameLabels(a.selector, b.selector)
    ? undefined
    : "ExternalTrafficPolicy local but selecting different set of pods";
}

/** Both sides must permit it: otherwise a tenant could put its port onto another's address. */
function sharesWith({ namespace, crossNamespace }: ServiceRequest, other: string): boolean {
  return namespace === other || crossNamespace.includes(other) || crossNamespace.includes("*");
}

function isEmpty(labels: Labels): boolean {
  return Object.keys(labels).length === 0;
}

function sameLabels(a: Labels, b: Labels): boolean {
  const entries = Object.entries(a);
  return (
    entries.length === Object.keys(b).length && entries.every(([key, value]) => b[key] === value)
  );
}
