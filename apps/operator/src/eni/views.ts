// What the operator says in a CiliumNode: spec.ipam.pool and status.eni, as merge patches. Pure.
import { isDeepStrictEqual } from "node:util";
import {
  indexOf,
  type NetworkInterface,
  podAddresses,
  podInterfaces,
  type Subnet,
  type Vpc,
} from "@tsilium/cloud";
import type { CiliumNode, CiliumNodeEni } from "@tsilium/kube";
import type { NodeRequest } from "./request.ts";

/** Addresses for pods, each with the interface that holds it. */
export function poolOf(
  interfaces: readonly NetworkInterface[],
  { rules }: Pick<NodeRequest, "rules">,
): Record<string, { readonly resource: string }> {
  return Object.fromEntries(
    podInterfaces(interfaces, rules).flatMap((eni) =>
      podAddresses(eni, rules).map((address) => [address.toString(), { resource: eni.id }]),
    ),
  );
}

/** status.eni.enis: interfaces by id, also those that are not for pods. */
export function enisOf(
  interfaces: readonly NetworkInterface[],
  { subnets, vpcs }: { readonly subnets: readonly Subnet[]; readonly vpcs: readonly Vpc[] },
): Record<string, CiliumNodeEni> {
  return Object.fromEntries(
    interfaces.map((eni) => {
      const subnet = subnets.find(({ id }) => id === eni.subnetId);
      const vpc = vpcs.find(({ id }) => id === eni.vpcId);
      const view: CiliumNodeEni = {
        id: eni.id,
        ip: eni.primary.toString(),
        mac: eni.mac.toString(),
        "availability-zone": eni.availabilityZone,
        description: eni.description,
        number: indexOf(eni),
        subnet: { id: eni.subnetId, ...(subnet ? { cidr: subnet.cidr.toString() } : {}) },
        vpc: {
          id: eni.vpcId,
          ...(vpc
            ? { "primary-cidr": vpc.primaryCidr.toString(), cidrs: vpc.cidrs.map(String) }
            : {}),
        },
        addresses: eni.secondary.map(String),
        prefixes: eni.prefixes.map(String),
        "security-groups": eni.securityGroups,
        tags: eni.tags,
      };
      return [eni.id, view];
    }),
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** The merge patch (RFC 7386) that makes an object say exactly what it should; undefined when it does already. */
export function mergePatch(present: Fields, wanted: Fields): Fields | undefined {
  const gone = Object.keys(present).filter((key) => !Object.hasOwn(wanted, key));
  const changed = Object.entries(wanted).flatMap(([key, value]) => {
    const had = present[key];
    if (isDeepStrictEqual(had, value)) return [];
    return [[key, isFields(had) && isFields(value) ? mergePatch(had, value) : value] as const];
  });
  if (gone.length === 0 && changed.length === 0) return undefined;
  return { ...Object.fromEntries(gone.map((key) => [key, null])), ...Object.fromEntries(changed) };
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Of spec; undefined: nothing to write. */
export function specPatch(
  node: CiliumNode,
  pool: Readonly<Record<string, { readonly resource: string }>>,
): object | undefined {
  const patch = mergePatch(node.spec?.ipam?.pool ?? {}, pool);
  return patch && { spec: { ipam: { pool: patch } } };
}

/** Of status; undefined: nothing to write. */
export function statusPatch(
  node: CiliumNode,
  wanted: {
    readonly enis: Readonly<Record<string, CiliumNodeEni>>;
    readonly error: string | undefined;
    readonly releaseIps: Readonly<Record<string, string>>;
  },
): object | undefined {
  const status = node.status ?? {};
  const enis = mergePatch(status.eni?.enis ?? {}, wanted.enis);
  const releaseIps = mergePatch(status.ipam?.["release-ips"] ?? {}, wanted.releaseIps);
  const reported = status.ipam?.["operator-status"]?.error ?? "";
  const error = wanted.error ?? "";
  if (!enis && !releaseIps && reported === error) return undefined;
  return {
    ...(enis ? { eni: { enis } } : {}),
    ipam: {
      ...(releaseIps ? { "release-ips": releaseIps } : {}),
      ...(reported === error ? {} : { "operator-status": { error: error || null } }),
    },
  };
}
