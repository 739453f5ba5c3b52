// What of a pod, besides its identity, makes its policy. Pure.
import type { CiliumEndpoint, Namespace, Pod } from "@tsilium/kube";
import { podNamedPorts, type PublishedPort } from "@tsilium/endpoint";
import { type NamedPort, portProtocols } from "@tsilium/policy/model.ts";

/** On pods and namespaces: "audit" lets through, and tells of, what policy would deny. */
export const enforcementAnnotation = "policy.tsilium.io/enforcement";

/** Named ports of a pod's containers. */
export function namedPortsOf(pod: Pod | undefined): NamedPort[] {
  return toNamedPorts(pod ? podNamedPorts(pod) : []);
}

/** Named ports of a pod of another node, as that node has published them. */
export function publishedPortsOf({ status }: CiliumEndpoint): NamedPort[] {
  return toNamedPorts(status?.["named-ports"] ?? []);
}

export type AuditMode = {
  readonly audit: boolean;
  /** About annotations that say nothing we know; they are not heard. */
  readonly warnings: readonly string[];
};

/** Whether a pod is in audit mode: its own annotation decides, and where it has none its namespace's. */
export function auditModeOf(pod: Pod | undefined, namespace: Namespace | undefined): AuditMode {
  const said = [pod, namespace]
    .map((object) => object?.metadata.annotations?.[enforcementAnnotation])
    .filter((value) => value !== undefined);
  const isKnown = (value: string) => value === "audit" || value === "enforce";
  const warnings = said
    .filter((value) => !isKnown(value))
    .map((value) => `annotation ${enforcementAnnotation} is "${value}": wanted audit or enforce`);
  return { audit: said.find(isKnown) === "audit", warnings };
}

const protocolNumbers: ReadonlyMap<string, number> = new Map(Object.entries(portProtocols));

function toNamedPorts(ports: readonly PublishedPort[]): NamedPort[] {
  return ports.flatMap(({ name, port, protocol: protocolName = "TCP" }) => {
    const protocol = protocolNumbers.get(protocolName);
    const isPort = port !== undefined && port > 0 && port <= 65535;
    return name && isPort && protocol ? [{ name, protocol, port }] : [];
  });
}
