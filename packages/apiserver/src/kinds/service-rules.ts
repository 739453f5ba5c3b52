// What a Service must not say, and what of it must not change.
import { isIP } from "node:net";
import { field, type Cause } from "../errors.ts";
import { sameJson } from "../objects/json.ts";
import { dnsSubdomain, labelCauses, labelKeyFault } from "../objects/names.ts";
import type { ApiObject } from "../objects/object.ts";
import { formats } from "../schema/formats.ts";
import { destinationCauses } from "./address-rules.ts";
import { portListCauses } from "./service-port-rules.ts";
import {
  isExternallyAccessible,
  isHeadless,
  needsHealthCheck,
  specOf,
  type Spec,
} from "./service-spec.ts";

/** Clients of load balancers, as they were written before there was a field. */
const sourceRangesAnnotation = "service.beta.kubernetes.io/load-balancer-source-ranges";
const onlyLoadBalancer = "may only be used when `type` is 'LoadBalancer'";
const trafficDistributions = ["PreferClose", "PreferSameZone", "PreferSameNode"];

export function serviceCauses(service: ApiObject, before: ApiObject | undefined): Cause[] {
  const spec = specOf(service);
  return [
    ...(spec.type === "ExternalName" ? externalNameCauses(spec) : addressCauses(spec)),
    ...portListCauses(spec),
    ...labelCauses(spec.selector, "spec.selector"),
    ...externalIpCauses(spec),
    ...loadBalancerCauses(spec),
    ...sourceRangeCauses(service),
    ...trafficCauses(spec),
    ...(before ? changeCauses(spec, specOf(before)) : []),
  ];
}

function externalNameCauses(spec: Spec): Cause[] {
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  const fault = name === "" ? undefined : dnsSubdomain(name);
  return [
    ...(name === "" ? [field.required("spec.externalName")] : []),
    ...(fault ? [field.invalid("spec.externalName", spec.externalName, fault)] : []),
    ...["clusterIPs", "ipFamilies", "ipFamilyPolicy"]
      .filter((each) => (spec[each] as { length?: number } | undefined)?.length)
      .map((each) => field.forbidden(`spec.${each}`, "may not be set for ExternalName services")),
  ];
}

function addressCauses(spec: Spec): Cause[] {
  const causes: Cause[] = [];
  if (!spec.ports?.length && !isHeadless(spec)) causes.push(field.required("spec.ports"));
  if (isHeadless(spec) && spec.type !== "ClusterIP") {
    const why = `may not be set to 'None' for ${spec.type} services`;
    causes.push(field.invalid("spec.clusterIPs[0]", "None", why));
  }
  if (spec.clusterIPs?.length && spec.clusterIP !== spec.clusterIPs[0])
    causes.push(
      field.invalid("spec.clusterIPs", spec.clusterIPs, "first value must match `clusterIP`"),
    );
  spec.clusterIPs?.forEach((address, index) => {
    if ((address === "None" && index === 0) || isIP(address) !== 0) return;
    causes.push(field.invalid(`spec.clusterIPs[${index}]`, address, "must be a valid IP address"));
  });
  return causes;
}

function externalIpCauses({ externalIPs = [] }: Spec): Cause[] {
  return externalIPs.flatMap((text, index) =>
    destinationCauses(text, `spec.externalIPs[${index}]`),
  );
}

function loadBalancerCauses(spec: Spec): Cause[] {
  const { loadBalancerClass: wanted } = spec;
  if (spec.type !== "LoadBalancer")
    return ["loadBalancerClass", "allocateLoadBalancerNodePorts"]
      .filter((name) => spec[name] !== undefined)
      .map((name) => field.forbidden(`spec.${name}`, onlyLoadBalancer));
  const fault = wanted === undefined ? undefined : labelKeyFault(wanted);
  return fault ? [field.invalid("spec.loadBalancerClass", wanted, fault)] : [];
}

function sourceRangeCauses(service: ApiObject): Cause[] {
  const spec = specOf(service);
  const given = spec.loadBalancerSourceRanges ?? [];
  if (given.length > 0)
    return rangesCauses(spec, given, (index) => `spec.loadBalancerSourceRanges[${index}]`);
  const annotation = service.metadata.annotations?.[sourceRangesAnnotation];
  if (annotation === undefined) return [];
  const path = `metadata.annotations[${sourceRangesAnnotation}]`;
  return rangesCauses(spec, annotation.trim() === "" ? [] : annotation.split(","), () => path);
}

/** They may be padded with spaces, as they could be in the annotation. */
function rangesCauses(
  { type }: Spec,
  ranges: readonly string[],
  pathOf: (index: number) => string,
): Cause[] {
  const wrongType = type !== "LoadBalancer";
  return [
    ...(wrongType ? [field.forbidden(pathOf(0).replace(/\[\d+\]$/, ""), onlyLoadBalancer)] : []),
    ...ranges.flatMap((range, index) =>
      formats.cidr(range.trim())
        ? []
        : [
            field.invalid(
              pathOf(index),
              range,
              "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
            ),
          ],
    ),
  ];
}

function trafficCauses(spec: Spec): Cause[] {
  const causes: Cause[] = [];
  const { externalTrafficPolicy, healthCheckNodePort, trafficDistribution } = spec;
  if (externalTrafficPolicy && !isExternallyAccessible(spec))
    causes.push(
      field.invalid(
        "spec.externalTrafficPolicy",
        externalTrafficPolicy,
        "may only be set for externally-accessible services",
      ),
    );
  if (healthCheckNodePort && !needsHealthCheck(spec))
    causes.push(
      field.invalid(
        "spec.healthCheckNodePort",
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ),
    );
  if (trafficDistribution !== undefined && !trafficDistributions.includes(trafficDistribution))
    causes.push(
      field.notSupported("spec.trafficDistribution", trafficDistribution, trafficDistributions),
    );
  return causes;
}

function changeCauses(now: Spec, old: Spec): Cause[] {
  const causes: Cause[] = [];
  const fixed = (path: string, value: unknown) =>
    causes.push(field.invalid(path, value, "field is immutable"));
  if (now.type !== "ExternalName" && old.type !== "ExternalName") {
    if (now.clusterIP !== old.clusterIP) fixed("spec.clusterIP", now.clusterIP);
    if (differ(now.clusterIPs?.[1], old.clusterIPs?.[1]))
      fixed("spec.clusterIPs[1]", now.clusterIPs?.[1]);
    for (const index of [0, 1] as const)
      if (differ(now.ipFamilies?.[index], old.ipFamilies?.[index]))
        fixed(`spec.ipFamilies[${index}]`, now.ipFamilies?.[index]);
  }
  const stays = now.type === "LoadBalancer" && old.type === "LoadBalancer";
  if (stays && !sameJson(now.loadBalancerClass, old.loadBalancerClass))
    causes.push(
      field.invalid("spec.loadBalancerClass", now.loadBalancerClass, "may not change once set"),
    );
  if (
    needsHealthCheck(now) &&
    needsHealthCheck(old) &&
    now.healthCheckNodePort !== old.healthCheckNodePort
  )
    causes.push(field.forbidden("spec.healthCheckNodePort", "field is immutable"));
  return causes;
}

/** A second address or family may come and go. */
function differ(now: string | undefined, old: string | undefined): boolean {
  return now !== undefined && old !== undefined && now !== old;
}
