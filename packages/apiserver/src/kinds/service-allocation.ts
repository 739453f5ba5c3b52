// The cluster IPs of a Service: one of each of its families.
import { isIP } from "node:net";
import { field, invalid, type Cause } from "../errors.ts";
import type { ApiObject } from "../objects/object.ts";
import type { Transaction } from "../store/store.ts";
import type { AddressRange } from "./address-range.ts";
import { isHeadless, specOf, type Family } from "./service-spec.ts";

const subject = { group: "", plural: "services", kind: "Service" };

/** What of a service nobody else may have. */
export function addressClaims(service: ApiObject): string[] {
  const { clusterIPs = [] } = specOf(service);
  return clusterIPs.filter((address) => address !== "None").map(claimOf);
}

const claimOf = (address: string) => `clusterIP ${address}`;

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
  if (isHeadless(spec)) {
    spec.clusterIP = "None";
    spec.clusterIPs = ["None"];
    return;
  }
  const claims = transaction.claims("/services");
  const key = `${service.metadata.namespace ?? ""}/${service.metadata.name ?? ""}`;
  const isTaken = (address: string) => (claims.get(claimOf(address)) ?? key) !== key;
  const given = spec.clusterIPs ?? [];
  spec.clusterIPs = families.map((family, index) => {
    const pool = pools.find((candidate) => candidate.family === family) as AddressRange;
    const wanted = given[index];
    const at = `spec.clusterIPs[${index}]`;
    if (wanted === undefined || wanted === "") {
      const free = pool.pick({ has: (address) => claims.has(claimOf(address)), size: claims.size });
      if (free !== undefined) return free;
      throw invalid(subject, service.metadata.name ?? "", [
        field.invalid(at, "", `range ${pool.text} is full`),
      ]);
    }
    const fault = pool.contains(wanted)
      ? isTaken(pool.canonical(wanted)) && "provided IP is already allocated"
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
