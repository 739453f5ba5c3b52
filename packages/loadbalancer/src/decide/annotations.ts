// Cilium's annotations of a service, and Kubernetes' for topology.
import type { LoadBalancerSettings, ServiceWarning } from "../model.ts";
import { Field } from "../kube/field.ts";
import type { ParsedService } from "../kube/service.ts";
import { parseNodeSelector } from "../kube/node-selector.ts";

export type ServiceAnnotations = {
  readonly maglev: boolean;
  /** What it is served with from outside; hybrid: DSR for TCP. */
  readonly mode: LoadBalancerSettings["mode"];
  /** service.cilium.io/type: only this one of a service's types is served; undefined: all. */
  readonly only: "ClusterIP" | "NodePort" | "LoadBalancer" | undefined;
  /** service.cilium.io/src-ranges-policy: deny turns loadBalancerSourceRanges around. */
  readonly sourceRanges: "allow" | "deny";
  readonly ignoresHints: boolean;
  /** service.cilium.io/node, /node-selector: the nodes that serve it, by their labels. */
  isForNode(labels: Readonly<Record<string, string>>): boolean;
};

const prefix = "service.cilium.io/";
const forwardingModes = ["snat", "dsr", "hybrid"] as const;

export function readAnnotations(
  { head }: ParsedService,
  settings: LoadBalancerSettings,
  warnings: ServiceWarning[],
): ServiceAnnotations {
  const all = new Field(head.annotations, warnings, "metadata.annotations");
  const algorithm = settings.algorithmAnnotation
    ? lowered(all.entry(`${prefix}lb-algorithm`))
    : all.entry("");
  const mode = settings.modeAnnotation
    ? lowered(all.entry(`${prefix}forwarding-mode`))
    : all.entry("");
  const only = all.entry(`${prefix}type`);
  // The older name goes first.
  const topologyMode =
    head.annotations["service.kubernetes.io/topology-aware-hints"] ??
    head.annotations["service.kubernetes.io/topology-mode"];
  return {
    maglev: algorithm.oneOf(["random", "maglev"], settings.algorithm) === "maglev",
    mode: mode.oneOf(forwardingModes, settings.mode),
    only: only.isGiven ? parseOnly(only) : undefined,
    sourceRanges: lowered(all.entry(`${prefix}src-ranges-policy`)).oneOf(
      ["allow", "deny"],
      "allow",
    ),
    ignoresHints: topologyMode?.toLowerCase() === "disabled",
    isForNode: parseNodes(all),
  };
}

function lowered(field: Field): Field {
  return typeof field.value === "string" ? field.replaced(field.value.toLowerCase()) : field;
}

function parseOnly(field: Field): ServiceAnnotations["only"] {
  const found = field.oneOf(["ClusterIP", "NodePort", "LoadBalancer", ""], "");
  return found === "" ? undefined : found;
}

/** node-selector goes before node. One that cannot be read selects no node: the service was meant for some alone. */
function parseNodes(all: Field): ServiceAnnotations["isForNode"] {
  const selector = all.entry(`${prefix}node-selector`);
  if (selector.isGiven) {
    const matches = parseNodeSelector(selector.text() ?? "");
    if (!matches) selector.warn("is no label selector: no node serves the service");
    return matches ?? (() => false);
  }
  const node = all.entry(`${prefix}node`);
  return (labels) => !node.isGiven || labels[`${prefix}node`] === node.value;
}
