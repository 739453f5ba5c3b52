// What the server fills in and takes away of a Service before it is judged: defaults that depend on other fields, what
// was allocated before, and what a change of type makes meaningless. As Kubernetes infers what users mean.
import { sameJson } from "../objects/json.ts";
import type { ApiObject } from "../objects/object.ts";
import {
  hasNodePorts,
  isExternallyAccessible,
  needsHealthCheck,
  specOf,
  type ServicePort,
  type Spec,
} from "./service-spec.ts";

const defaultAffinitySeconds = 10_800;

export function prepare(service: ApiObject, before: ApiObject | undefined): void {
  const spec = specOf(service);
  setDefaults(spec);
  if (!before) {
    service["status"] = { loadBalancer: {} };
  } else {
    const old = specOf(before);
    keepAllocated(spec, old);
    dropMeaningless(spec, old);
    // Addresses are taken away by whoever gave them, later: nobody is to see them until then.
    if (spec.type !== "LoadBalancer")
      service["status"] = { ...(service["status"] as object | undefined), loadBalancer: {} };
  }
  completeAddresses(spec);
}

function setDefaults(spec: Spec): void {
  for (const entry of spec.ports ?? []) if (!entry.targetPort) entry.targetPort = entry.port;
  if (spec.sessionAffinity === "ClientIP") {
    const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds;
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: seconds } };
  } else {
    delete spec.sessionAffinityConfig;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ??= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
}

/** What was given once and is not named anew stays. */
function keepAllocated(spec: Spec, old: Spec): void {
  if (spec.type !== "ExternalName" && old.type !== "ExternalName") {
    spec.clusterIP ||= old.clusterIP ?? "";
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP)
      spec.clusterIPs = old.clusterIPs ?? [];
    if (!spec.ipFamilies?.length) spec.ipFamilies = old.ipFamilies ?? [];
    spec.ipFamilyPolicy ??= old.ipFamilyPolicy ?? "SingleStack";
    trimToSingleStack(spec, old);
  }
  if (hasNodePorts(spec) && hasNodePorts(old)) keepNodePorts(spec.ports ?? [], old.ports ?? []);
  if (needsHealthCheck(spec) && needsHealthCheck(old) && old.healthCheckNodePort)
    spec.healthCheckNodePort ||= old.healthCheckNodePort;
}

/** A dual-stack service that asks for one family and says nothing of addresses gives up its second. */
function trimToSingleStack(spec: Spec, old: Spec): void {
  const downgraded = spec.ipFamilyPolicy === "SingleStack" && old.ipFamilyPolicy !== "SingleStack";
  if (!downgraded) return;
  if (sameJson(spec.clusterIPs, old.clusterIPs))
    spec.clusterIPs = spec.clusterIPs?.slice(0, 1) ?? [];
  if (sameJson(spec.ipFamilies, old.ipFamilies))
    spec.ipFamilies = spec.ipFamilies?.slice(0, 1) ?? [];
}

/** By the port's name, unless the change gives the number to another port. */
function keepNodePorts(ports: readonly ServicePort[], old: readonly ServicePort[]): void {
  const numbers = (of: readonly ServicePort[]) => of.flatMap(({ nodePort }) => nodePort || []);
  const before = new Set(numbers(old));
  const used = new Set(numbers(ports).filter((number) => before.has(number)));
  const byName = new Map(old.map(({ name = "", nodePort }) => [name, nodePort]));
  for (const entry of ports) {
    const number = byName.get(entry.name ?? "");
    if (!entry.nodePort && number && !used.has(number)) entry.nodePort = number;
  }
}

/**
 * Fields that the new type has no use for go, provided that the change leaves them as they were: what it names anew is
 * what the user means, and is judged.
 */
function dropMeaningless(spec: Spec, old: Spec): void {
  const unchanged = (name: string) => sameJson(spec[name], old[name]);
  if (spec.type === "ExternalName" && old.type !== "ExternalName") {
    const addresses = ["clusterIP", "clusterIPs"];
    if (addresses.every(unchanged)) for (const name of addresses) delete spec[name];
    for (const name of ["ipFamilies", "ipFamilyPolicy"]) if (unchanged(name)) delete spec[name];
  }
  if (hasNodePorts(old) && !hasNodePorts(spec)) dropNodePorts(spec, old);
  const lost = (applies: (of: Spec) => boolean) => applies(old) && !applies(spec);
  const isLoadBalancer = ({ type }: Spec) => type === "LoadBalancer";
  if (lost(needsHealthCheck) && unchanged("healthCheckNodePort")) delete spec.healthCheckNodePort;
  if (lost(isExternallyAccessible) && unchanged("externalTrafficPolicy"))
    delete spec.externalTrafficPolicy;
  if (!lost(isLoadBalancer)) return;
  for (const name of ["allocateLoadBalancerNodePorts", "loadBalancerClass"])
    if (unchanged(name)) delete spec[name];
}

function dropNodePorts(spec: Spec, old: Spec): void {
  const before = new Set((old.ports ?? []).map(({ nodePort }) => nodePort));
  const named = (spec.ports ?? []).filter(({ nodePort }) => nodePort);
  if (named.every(({ nodePort }) => before.has(nodePort)))
    for (const entry of named) delete entry.nodePort;
}

/** `clusterIP` and `clusterIPs` say the same. */
function completeAddresses(spec: Spec): void {
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  if (!spec.clusterIP && spec.clusterIPs?.[0]) spec.clusterIP = spec.clusterIPs[0];
}
