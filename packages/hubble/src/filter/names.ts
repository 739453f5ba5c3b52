// Who talks: pods, services, workloads, clusters, identities.
import type { Workload } from "../gen/flow/flow_pb.ts";
import type { FlowEndpoint, FlowService } from "../model.ts";
import { type Condition, onEndpoint, onFlow, type Side } from "./condition.ts";
import { FilterError } from "./error.ts";

/** "" stands for any. */
type NamePattern = { readonly namespace: string; readonly prefix: string };

/** source_pod, destination_pod. @throws FilterError */
export function onPod(field: string, values: readonly string[], side: Side): Condition {
  const patterns = values.map((value) => parseName(field, value));
  return onEndpoint(side, ({ namespace, podName }) => isNamed(patterns, namespace, podName));
}

/** source_service, destination_service. @throws FilterError */
export function onService(field: string, values: readonly string[], side: Side): Condition {
  const patterns = values.map((value) => parseName(field, value));
  const isWanted = (service: FlowService | undefined) =>
    service !== undefined && isNamed(patterns, service.namespace, service.name);
  return side === "source"
    ? onFlow(2, (flow) => isWanted(flow.sourceService))
    : onFlow(2, (flow) => isWanted(flow.destinationService));
}

/**
 * "xwing" is the prefix of a name in the namespace "default", "kube-system/coredns-" in kube-system, "kube-system/" all
 * of it, "/xwing" in any namespace, "/" whatever has a namespace or a name: what Cilium's client sends for --all-namespaces.
 * What follows a second slash is ignored, as in Cilium.
 */
function parseName(field: string, value: string): NamePattern {
  const [first = "", second] = value.split("/");
  const pattern =
    second === undefined
      ? { namespace: first === "" ? "" : "default", prefix: first }
      : { namespace: first, prefix: second };
  if (value === "") {
    const reason = "neither a namespace nor a name (NAMESPACE/NAME, NAME, NAMESPACE/ or /NAME)";
    throw new FilterError({ field, value, reason });
  }
  return pattern;
}

function isNamed(patterns: readonly NamePattern[], namespace: string, name: string): boolean {
  if (namespace === "" && name === "") return false;
  return patterns.some(
    (pattern) =>
      (pattern.namespace === "" || pattern.namespace === namespace) &&
      name.startsWith(pattern.prefix),
  );
}

/** Name or kind "" is any. */
export function onWorkload(workloads: readonly Workload[], side: Side): Condition {
  return onEndpoint(side, (endpoint) =>
    endpoint.workloads.some(({ name, kind }) =>
      workloads.some(
        (wanted) =>
          (wanted.name === "" || wanted.name === name) &&
          (wanted.kind === "" || wanted.kind === kind),
      ),
    ),
  );
}

/** source_cluster_name, destination_cluster_name. @throws FilterError for an empty one */
export function onClusterName(field: string, values: readonly string[], side: Side): Condition {
  if (values.includes("")) {
    throw new FilterError({ field, value: "", reason: "a cluster's name is not empty" });
  }
  return onEndpoint(side, ({ clusterName }) => values.includes(clusterName));
}

/** source_identity, destination_identity. */
export function onIdentity(identities: readonly number[], side: Side): Condition {
  return onEndpoint(side, ({ identity }: FlowEndpoint) => identities.includes(identity));
}
