// Where a node's next interface goes: its subnet and its security groups. Pure.
import type { NetworkInterface, SecurityGroup, Subnet, Tags } from "../model.ts";
import { hasTags, indexOf } from "./interfaces.ts";

export type Place = {
  readonly vpcId: string;
  readonly availabilityZone: string;
  /** The subnet of the instance's first interface; "": not known. */
  readonly nodeSubnetId: string;
};

/** A node's wishes (CiliumNode.spec.eni). Empty: none. */
export type Wishes = {
  readonly subnetIds: readonly string[];
  readonly subnetTags: Tags;
  readonly securityGroups: readonly string[];
  readonly securityGroupTags: Tags;
};

/**
 * The subnet to make an interface in, which must be in the node's VPC and zone: one of those named, else one that has the
 * tags, else the node's own, else any. Of several the one with the most free addresses. Undefined when there is none
 * with a free address.
 */
export function chooseSubnet(
  subnets: readonly Subnet[],
  place: Place,
  { subnetIds, subnetTags }: Pick<Wishes, "subnetIds" | "subnetTags">,
): Subnet | undefined {
  const near = subnets.filter(
    ({ vpcId, availabilityZone, available }) =>
      vpcId === place.vpcId && availabilityZone === place.availabilityZone && available > 0,
  );
  if (subnetIds.length > 0) return roomiest(near.filter(({ id }) => subnetIds.includes(id)));
  if (Object.keys(subnetTags).length > 0)
    return roomiest(near.filter(({ tags }) => hasTags(tags, subnetTags)));
  return near.find(({ id }) => id === place.nodeSubnetId) ?? roomiest(near);
}

/** The security groups of a new interface: those named, else those of the tags, else those of the instance's first interface. */
export function chooseSecurityGroups(
  groups: readonly SecurityGroup[],
  interfaces: readonly NetworkInterface[],
  options: Pick<Wishes, "securityGroups" | "securityGroupTags"> & { readonly vpcId: string },
): readonly string[] {
  const { securityGroups, securityGroupTags, vpcId } = options;
  if (securityGroups.length > 0) return securityGroups;
  if (Object.keys(securityGroupTags).length > 0)
    return groups
      .filter((group) => group.vpcId === vpcId && hasTags(group.tags, securityGroupTags))
      .map(({ id }) => id)
      .toSorted();
  return interfaces.find((eni) => indexOf(eni) === 0)?.securityGroups ?? [];
}

function roomiest(subnets: readonly Subnet[]): Subnet | undefined {
  return subnets.toSorted((a, b) => b.available - a.available || (a.id < b.id ? -1 : 1))[0];
}
