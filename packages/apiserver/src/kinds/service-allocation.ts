// What a Service is given by the server: cluster IPs of its families, and node ports.
import { isIP } from "node:net";
import { field, invalid, type Cause } from "../errors.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import type { Transaction } from "../store/store.ts";
import type { AddressRange } from "./address-range.ts";

export type Family = "IPv4" | "IPv6";
export type ServicePort = {
  name?: string;
  protocol: string;
  port: number;
  targetPort?: number | string;
  nodePort?: number;
};
export type Spec = Fields & {
  type: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  ports?: ServicePort[];
  selector?: Record<string, string>;
  clusterIP?: string;
  clusterIPs?: string[];
  ipFamilies?: Family[];
  ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  externalTrafficPolicy?: string;
  allocateLoadBalancerNodePorts?: boolean;
  healthCheckNodePort?: number;
};

export const specOf = (service: ApiObject): Spec => service["spec"] as Spec;

/** Kubernetes' default --service-node-port-range. */
const nodePorts = { first: 30000, last: 32767 };
const subject = { group: "", plural: "services", kind: "Service" };

/**
 * Gives the service an address of each of its families; those it names are checked, those it has are kept.
 * @throws ApiError Invalid: outside of the ranges, taken, or a range is full.
 */
export function allocateAddresses(
  service: ApiObject,
  pools: readonly AddressRange[],
  transaction: Transaction,
): void {
  const spec = specOf(service);
  if (spec.type === "ExternalName") return;
  const families = wantedFamilies(service, pools);
  spec.ipFamilies = families;
  if (spec.clusterIP === "None") {
    spec.clusterIPs = ["None"];
    return;
  }
  const used = addressesInUse(service, transaction);
  const given = spec.clusterIPs ?? [];
  spec.clusterIPs = families.map((family, index) => {
    const pool = pools.find((candidate) => candidate.family === family) as AddressRange;
    const wanted = given[index];
    const at = `spec.clusterIPs[${index}]`;
    if (wanted === undefined || wanted === "") {
      const free = pool.pick(used);
      if (free !== undefined) return free;
      throw invalid(subject, service.metadata.name ?? "", [
        field.invalid(at, "", `range ${pool.text} is full`),
      ]);
    }
    const fault = pool.contains(wanted)
      ? used.has(pool.canonical(wanted)) && "provided IP is already allocated"
      : `failed to allocate IP ${wanted}: the provided IP is not in the valid range ${pool.text}`;
    if (fault)
      throw invalid(subject, service.metadata.name ?? "", [field.invalid(at, wanted, fault)]);
    return pool.canonical(wanted);
  });
  spec.clusterIP = spec.clusterIPs[0] ?? "";
}

/** The families a service gets, by its policy, the families and addresses it names, and what the cluster has. */
function wantedFamilies(service: ApiObject, pools: readonly AddressRange[]): Family[] {
  const spec = specOf(service);
  const available = pools.map((pool) => pool.family);
  const refuse = (cause: Cause) => invalid(subject, service.metadata.name ?? "", [cause]);
  const named = [...(spec.ipFamilies ?? [])];
  (spec.clusterIPs ?? []).forEach((address, index) => {
    if (address !== "None" && address !== "")
      named[index] ??= isIP(address) === 6 ? "IPv6" : "IPv4";
  });
  for (const family of named) {
    if (!available.includes(family))
      throw refuse(field.notSupported("spec.ipFamilies", family, available));
  }
  if (new Set(named).size !== named.length)
    throw refuse(field.duplicate("spec.ipFamilies[1]", named[1]));
  spec.ipFamilyPolicy ??= named.length > 1 ? "RequireDualStack" : "SingleStack";
  const first = named[0] ?? (available[0] as Family);
  if (spec.ipFamilyPolicy === "SingleStack") {
    if (named.length > 1) {
      throw refuse(
        field.invalid("spec.ipFamilyPolicy", "SingleStack", "must be dual stack for two families"),
      );
    }
    return [first];
  }
  const second = available.find((family) => family !== first);
  if (second === undefined && spec.ipFamilyPolicy === "RequireDualStack") {
    throw refuse(
      field.invalid(
        "spec.ipFamilyPolicy",
        "RequireDualStack",
        "this cluster is not configured for dual-stack services",
      ),
    );
  }
  return second === undefined ? [first] : [first, second];
}

function addressesInUse(service: ApiObject, transaction: Transaction): Set<string> {
  const used = new Set<string>();
  for (const other of transaction.list("/services")) {
    if (other.namespace === service.metadata.namespace && other.name === service.metadata.name)
      continue;
    for (const address of (other.fields["spec.clusterIPs"] ?? "").split(",")) used.add(address);
  }
  return used;
}

/** Node ports for the types that have them; a port asked for is checked. @throws ApiError Invalid */
export function allocateNodePorts(
  service: ApiObject,
  before: ApiObject | undefined,
  transaction: Transaction,
): void {
  const spec = specOf(service);
  const wanted =
    spec.type === "NodePort" ||
    (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
  if (!wanted) {
    if (before) for (const entry of spec.ports ?? []) delete entry.nodePort;
    delete spec.healthCheckNodePort;
    return;
  }
  const used = nodePortsInUse(service, transaction);
  const take = (asked: number | undefined, key: string, at: string): number => {
    const chosen = asked || freePort(used, key);
    const outside = chosen === undefined || chosen < nodePorts.first || chosen > nodePorts.last;
    const fault = outside
      ? `not in the valid range ${nodePorts.first}-${nodePorts.last}, or none is free`
      : used.has(`${key}/${chosen}`) && "provided port is already allocated";
    if (fault)
      throw invalid(subject, service.metadata.name ?? "", [field.invalid(at, asked ?? 0, fault)]);
    used.add(`${key}/${chosen}`);
    return chosen as number;
  };
  spec.ports?.forEach((entry, index) => {
    entry.nodePort = take(entry.nodePort, entry.protocol, `spec.ports[${index}].nodePort`);
  });
  if (spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local") {
    spec.healthCheckNodePort = take(spec.healthCheckNodePort, "TCP", "spec.healthCheckNodePort");
  }
}

function nodePortsInUse(service: ApiObject, transaction: Transaction): Set<string> {
  const used = new Set<string>();
  for (const other of transaction.list("/services")) {
    if (other.namespace === service.metadata.namespace && other.name === service.metadata.name)
      continue;
    if (other.fields["spec.type"] === "ClusterIP") continue;
    const spec = specOf(JSON.parse(other.json) as ApiObject);
    for (const entry of spec.ports ?? [])
      if (entry.nodePort) used.add(`${entry.protocol}/${entry.nodePort}`);
    if (spec.healthCheckNodePort) used.add(`TCP/${spec.healthCheckNodePort}`);
  }
  return used;
}

function freePort(used: ReadonlySet<string>, key: string): number | undefined {
  const count = nodePorts.last - nodePorts.first + 1;
  const start = Math.floor(Math.random() * count);
  for (let step = 0; step < count; step++) {
    const candidate = nodePorts.first + ((start + step) % count);
    if (!used.has(`${key}/${candidate}`)) return candidate;
  }
  return undefined;
}
