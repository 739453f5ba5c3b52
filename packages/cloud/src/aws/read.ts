// AWS's objects as ours. What lacks something that we cannot do without is left out: one odd object hides no others.
import type * as ec2 from "@aws-sdk/client-ec2";
import { Address, Mac, Prefix } from "@tsilium/net";
import type {
  Holdings,
  Instance,
  InstanceLimits,
  InterfaceState,
  NetworkInterface,
  SecurityGroup,
  Subnet,
  Tags,
  Vpc,
} from "../model.ts";

export function tagsOf(tags: readonly ec2.Tag[] | undefined): Tags {
  return Object.fromEntries((tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));
}

export function instanceOf(row: ec2.Instance): Instance | undefined {
  const { InstanceId: id, VpcId: vpcId, SubnetId: subnetId } = row;
  if (!id || !vpcId || !subnetId) return undefined;
  return {
    id,
    type: row.InstanceType ?? "",
    vpcId,
    subnetId,
    availabilityZone: row.Placement?.AvailabilityZone ?? "",
    tags: tagsOf(row.Tags),
  };
}

export function limitsOf(row: ec2.InstanceTypeInfo): InstanceLimits | undefined {
  const network = row.NetworkInfo;
  if (!row.InstanceType || !network) return undefined;
  const card = network.NetworkCards?.find(
    ({ NetworkCardIndex: index }) => index === (network.DefaultNetworkCardIndex ?? 0),
  );
  return {
    type: row.InstanceType,
    // The total counts all network cards; we attach to the first one alone.
    interfaces: card?.MaximumNetworkInterfaces ?? network.MaximumNetworkInterfaces ?? 0,
    ipv4PerInterface: network.Ipv4AddressesPerInterface ?? 0,
    ipv6PerInterface: network.Ipv6AddressesPerInterface ?? 0,
    prefixes: row.Hypervisor === "nitro" || row.BareMetal === true,
  };
}

export function subnetOf(row: ec2.Subnet): Subnet | undefined {
  const cidr = Prefix.tryParse(row.CidrBlock ?? "");
  if (!row.SubnetId || !row.VpcId || !cidr) return undefined;
  return {
    id: row.SubnetId,
    vpcId: row.VpcId,
    cidr,
    availabilityZone: row.AvailabilityZone ?? "",
    available: row.AvailableIpAddressCount ?? 0,
    tags: tagsOf(row.Tags),
  };
}

export function vpcOf(row: ec2.Vpc): Vpc | undefined {
  const primaryCidr = Prefix.tryParse(row.CidrBlock ?? "");
  if (!row.VpcId || !primaryCidr) return undefined;
  const cidrs = (row.CidrBlockAssociationSet ?? [])
    .filter(({ CidrBlockState: state }) => state?.State === "associated")
    .flatMap(({ CidrBlock: text = "" }) => Prefix.tryParse(text) ?? []);
  return { id: row.VpcId, primaryCidr, cidrs: cidrs.length > 0 ? cidrs : [primaryCidr] };
}

export function securityGroupOf(row: ec2.SecurityGroup): SecurityGroup | undefined {
  if (!row.GroupId) return undefined;
  return { id: row.GroupId, vpcId: row.VpcId ?? "", tags: tagsOf(row.Tags) };
}

export function interfaceOf(row: ec2.NetworkInterface): NetworkInterface | undefined {
  const primary = Address.tryParse(row.PrivateIpAddress ?? "");
  const mac = macOf(row.MacAddress);
  if (!row.NetworkInterfaceId || !primary || !mac) return undefined;
  const addresses = (row.PrivateIpAddresses ?? [])
    .filter(({ Primary: isPrimary }) => !isPrimary)
    .map(({ PrivateIpAddress: text }) => text);
  return {
    id: row.NetworkInterfaceId,
    mac,
    subnetId: row.SubnetId ?? "",
    vpcId: row.VpcId ?? "",
    availabilityZone: row.AvailabilityZone ?? "",
    description: row.Description ?? "",
    state: (row.Status ?? "in-use") as InterfaceState,
    primary,
    ...holdingsOf(addresses, row.Ipv4Prefixes),
    securityGroups: (row.Groups ?? []).flatMap(({ GroupId: id }) => id ?? []),
    tags: tagsOf(row.TagSet),
    attachment: attachmentOf(row.Attachment),
  };
}

export function holdingsOf(
  addresses: readonly (string | undefined)[],
  prefixes: readonly { readonly Ipv4Prefix?: string | undefined }[] | undefined,
): Holdings {
  return {
    secondary: addresses.flatMap((text) => Address.tryParse(text ?? "") ?? []),
    prefixes: (prefixes ?? []).flatMap(({ Ipv4Prefix: text }) => Prefix.tryParse(text ?? "") ?? []),
  };
}

function attachmentOf(
  row: ec2.NetworkInterfaceAttachment | undefined,
): NetworkInterface["attachment"] {
  // One of a load balancer or another account has no instance.
  if (!row?.AttachmentId || !row.InstanceId || row.DeviceIndex === undefined) return undefined;
  return {
    id: row.AttachmentId,
    instanceId: row.InstanceId,
    deviceIndex: row.DeviceIndex,
    deleteOnTermination: row.DeleteOnTermination ?? false,
  };
}

function macOf(text: string | undefined): Mac | undefined {
  try {
    return Mac.parse(text ?? "");
  } catch {
    return undefined;
  }
}
