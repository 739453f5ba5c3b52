// EC2's actions, as far as ENI mode calls them: API version 2016-11-15.
import { Ec2Fault } from "./fault.ts";
import { listOf, numberOf, type Query, textOf, textsOf, type Xml } from "./query.ts";
import type { SimInterface, World } from "./world.ts";

type Action = (world: World, query: Query) => Xml;

/** By the name a request says in Action. The answer is what the <...Response> element holds. */
export const actions: Readonly<Record<string, Action>> = {
  DescribeInstances: (world, query) => {
    const rows = [...world.instances.values()].filter((row) =>
      matches(query, {
        ...tagFields(row.tags),
        "instance-id": row.id,
        "instance-state-name": "running",
      }),
    );
    const { page, nextToken } = pageOf(query, rows);
    const instances = page.map((row) => {
      const subnet = world.subnet(row.subnetId);
      return {
        instanceId: row.id,
        instanceState: { code: 16, name: "running" },
        instanceType: row.type,
        placement: { availabilityZone: subnet.zone, tenancy: "default" },
        subnetId: row.subnetId,
        vpcId: subnet.vpcId,
        tagSet: tagSet(row.tags),
      };
    });
    const reservationSet = instances.map((row) => ({
      reservationId: `r-${row.instanceId.slice(2)}`,
      ownerId,
      instancesSet: [row],
    }));
    return { reservationSet, nextToken };
  },

  DescribeInstanceTypes: (world, query) => {
    if ((numberOf(query, "MaxResults") ?? 5) > 100)
      throw invalid("MaxResults is between 5 and 100");
    const rows = world.setup.types.filter(({ name }) => matches(query, { "instance-type": name }));
    const { page, nextToken } = pageOf(query, rows);
    const instanceTypeSet = page.map((row) => ({
      instanceType: row.name,
      bareMetal: false,
      hypervisor: row.hypervisor,
      networkInfo: {
        maximumNetworkInterfaces: row.interfaces,
        maximumNetworkCards: 1,
        defaultNetworkCardIndex: 0,
        networkCards: [{ networkCardIndex: 0, maximumNetworkInterfaces: row.interfaces }],
        ipv4AddressesPerInterface: row.ipv4,
        ipv6AddressesPerInterface: row.ipv6,
        ipv6Supported: row.ipv6 > 0,
      },
    }));
    return { instanceTypeSet, nextToken };
  },

  DescribeSubnets: (world, query) => {
    const rows = world.setup.subnets.filter((row) =>
      matches(query, {
        ...tagFields(row.tags),
        "subnet-id": row.id,
        "vpc-id": row.vpcId,
        "availability-zone": row.zone,
      }),
    );
    const { page, nextToken } = pageOf(query, rows);
    const subnetSet = page.map((row) => ({
      subnetId: row.id,
      state: "available",
      vpcId: row.vpcId,
      cidrBlock: row.cidr,
      availableIpAddressCount: world.available(row),
      availabilityZone: row.zone,
      tagSet: tagSet(row.tags),
    }));
    return { subnetSet, nextToken };
  },

  DescribeVpcs: (world, query) => {
    const rows = world.setup.vpcs.filter(({ id }) => matches(query, { "vpc-id": id }));
    const { page, nextToken } = pageOf(query, rows);
    const vpcSet = page.map(({ id, cidrs }) => ({
      vpcId: id,
      state: "available",
      cidrBlock: cidrs[0],
      cidrBlockAssociationSet: cidrs.map((cidrBlock, at) => ({
        associationId: `vpc-cidr-assoc-${at}`,
        cidrBlock,
        cidrBlockState: { state: "associated" },
      })),
    }));
    return { vpcSet, nextToken };
  },

  DescribeSecurityGroups: (world, query) => {
    const rows = world.setup.groups.filter((row) =>
      matches(query, { ...tagFields(row.tags), "group-id": row.id, "vpc-id": row.vpcId }),
    );
    const { page, nextToken } = pageOf(query, rows);
    const securityGroupInfo = page.map((row) => ({
      ownerId,
      groupId: row.id,
      groupName: row.id,
      groupDescription: "simulated",
      vpcId: row.vpcId,
      tagSet: tagSet(row.tags),
    }));
    return { securityGroupInfo, nextToken };
  },

  DescribeNetworkInterfaces: (world, query) => {
    const rows = [...world.visibleInterfaces.values()].filter((row) =>
      matches(query, {
        ...tagFields(row.tags),
        "network-interface-id": row.id,
        status: statusOf(row),
        "vpc-id": world.subnet(row.subnetId).vpcId,
        "subnet-id": row.subnetId,
        "attachment.instance-id": row.attachment?.instanceId ?? "",
      }),
    );
    const { page, nextToken } = pageOf(query, rows);
    return { networkInterfaceSet: page.map((row) => interfaceXml(world, row)), nextToken };
  },

  CreateNetworkInterface: (world, query) => {
    const prefixes = numberOf(query, "Ipv4PrefixCount") ?? 0;
    const secondary = numberOf(query, "SecondaryPrivateIpAddressCount") ?? 0;
    if (prefixes > 0 && secondary > 0)
      throw invalid("SecondaryPrivateIpAddressCount and Ipv4PrefixCount exclude each other");
    const specification = listOf(query, "TagSpecification")[0];
    const tags = typeof specification === "object" ? readTags(specification, "Tag") : {};
    const before = new Set(world.interfaces.keys());
    const made = world.create({
      subnetId: required(query, "SubnetId"),
      groups: textsOf(query, "SecurityGroupId"),
      description: textOf(query, "Description") ?? "",
      tags,
      clientToken: textOf(query, "ClientToken") ?? "",
    });
    // All or nothing; a token that was used already makes nothing more.
    if (!before.has(made.id)) {
      try {
        if (prefixes > 0) world.assignPrefixes(made.id, prefixes);
        if (secondary > 0) world.assignAddresses(made.id, secondary);
      } catch (error) {
        world.delete(made.id);
        throw error;
      }
    }
    return { networkInterface: interfaceXml(world, world.interface(made.id)) };
  },

  AttachNetworkInterface: (world, query) => ({
    attachmentId: world.attach(
      required(query, "NetworkInterfaceId"),
      required(query, "InstanceId"),
      Number(required(query, "DeviceIndex")),
    ),
    networkCardIndex: 0,
  }),

  ModifyNetworkInterfaceAttribute: (world, query) => {
    const attachment = query["Attachment"];
    if (typeof attachment !== "object") throw invalid("nothing to modify");
    world.setDeleteOnTermination(
      required(query, "NetworkInterfaceId"),
      required(attachment, "AttachmentId"),
      textOf(attachment, "DeleteOnTermination") === "true",
    );
    return { return: true };
  },

  DeleteNetworkInterface: (world, query) => {
    world.delete(required(query, "NetworkInterfaceId"));
    return { return: true };
  },

  AssignPrivateIpAddresses: (world, query) => {
    const id = required(query, "NetworkInterfaceId");
    const prefixes = numberOf(query, "Ipv4PrefixCount");
    const secondary = numberOf(query, "SecondaryPrivateIpAddressCount");
    if ((prefixes === undefined) === (secondary === undefined))
      throw invalid("one of SecondaryPrivateIpAddressCount and Ipv4PrefixCount is needed");
    const assigned =
      prefixes === undefined
        ? {
            assignedPrivateIpAddressesSet: world
              .assignAddresses(id, secondary ?? 0)
              .map((privateIpAddress) => ({ privateIpAddress })),
          }
        : {
            assignedIpv4PrefixSet: world
              .assignPrefixes(id, prefixes)
              .map((ipv4Prefix) => ({ ipv4Prefix })),
          };
    return { networkInterfaceId: id, ...assigned, return: true };
  },

  UnassignPrivateIpAddresses: (world, query) => {
    const addresses = textsOf(query, "PrivateIpAddress");
    const prefixes = textsOf(query, "Ipv4Prefix");
    if ((addresses.length === 0) === (prefixes.length === 0))
      throw invalid("one of PrivateIpAddress and Ipv4Prefix is needed");
    world.unassign(required(query, "NetworkInterfaceId"), { addresses, prefixes });
    return { return: true };
  },
};

export const ownerId = "123456789012";

function interfaceXml(world: World, row: SimInterface): Xml {
  const subnet = world.subnet(row.subnetId);
  return {
    networkInterfaceId: row.id,
    subnetId: row.subnetId,
    vpcId: subnet.vpcId,
    availabilityZone: subnet.zone,
    description: row.description,
    ownerId,
    requesterManaged: false,
    status: statusOf(row),
    macAddress: row.mac,
    privateIpAddress: row.primary,
    sourceDestCheck: true,
    groupSet: row.groups.map((groupId) => ({ groupId, groupName: groupId })),
    attachment: row.attachment && {
      attachmentId: row.attachment.id,
      instanceId: row.attachment.instanceId,
      instanceOwnerId: ownerId,
      deviceIndex: row.attachment.index,
      status: "attached",
      deleteOnTermination: row.attachment.deleteOnTermination,
    },
    tagSet: tagSet(row.tags),
    privateIpAddressesSet: [
      { privateIpAddress: row.primary, primary: true },
      ...row.secondary.map((privateIpAddress) => ({ privateIpAddress, primary: false })),
    ],
    ipv4PrefixSet: row.prefixes.map((ipv4Prefix) => ({ ipv4Prefix })),
    interfaceType: "interface",
  };
}

function statusOf(row: SimInterface): string {
  return row.attachment ? "in-use" : "available";
}

function tagSet(tags: Readonly<Record<string, string>>): Xml {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

function tagFields(tags: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(tags).map(([key, value]) => [`tag:${key}`, value]));
}

function readTags(query: Query, name: string): Record<string, string> {
  return Object.fromEntries(
    listOf(query, name).flatMap((tag) =>
      typeof tag === "object" ? [[textOf(tag, "Key") ?? "", textOf(tag, "Value") ?? ""]] : [],
    ),
  );
}

/** Filters are all to be met, each by one of its values. @throws Ec2Fault for a filter that there is none of */
function matches(query: Query, fields: Readonly<Record<string, string>>): boolean {
  return listOf(query, "Filter").every((filter) => {
    if (typeof filter !== "object") throw invalid("a filter has a name and values");
    const name = required(filter, "Name");
    if (!name.startsWith("tag:") && !(name in fields))
      throw invalid(`The filter '${name}' is invalid`);
    return textsOf(filter, "Value").includes(fields[name] ?? "\0");
  });
}

/** Tokens say where the next page begins. AWS allows 5 to 1000 rows. */
function pageOf<Row>(
  query: Query,
  rows: readonly Row[],
): { readonly page: readonly Row[]; readonly nextToken: string | undefined } {
  const most = numberOf(query, "MaxResults");
  if (most !== undefined && !(most >= 5 && most <= 1000))
    throw invalid(
      `Value (${most}) for parameter maxResults is invalid. Expecting a value between 5 and 1000.`,
    );
  const token = textOf(query, "NextToken");
  const start = token === undefined ? 0 : Number(Buffer.from(token, "base64url").toString());
  if (!Number.isSafeInteger(start)) throw invalid("Invalid value for NextToken");
  const end = most === undefined ? rows.length : start + most;
  return {
    page: rows.slice(start, end),
    nextToken: end < rows.length ? Buffer.from(String(end)).toString("base64url") : undefined,
  };
}

function required(query: Query, name: string): string {
  const value = textOf(query, name);
  if (value) return value;
  throw new Ec2Fault(400, "MissingParameter", `The request must contain the parameter ${name}`);
}

function invalid(message: string): Ec2Fault {
  return new Ec2Fault(400, "InvalidParameterValue", message);
}
