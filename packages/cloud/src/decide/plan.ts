// A node's next step towards having as many addresses as it should. Pure: one step at a time, each from what is known
// after the one before.
import type { Grant, InstanceLimits, NetworkInterface, SecurityGroup, Subnet } from "../model.ts";
import { chooseSecurityGroups, chooseSubnet, type Place, type Wishes } from "./choose.ts";
import {
  freeIndex,
  freePlaces,
  grantFor,
  type InterfaceRules,
  podInterfaces,
} from "./interfaces.ts";
import { asking, lacking, type Level, type Watermarks } from "./watermarks.ts";

export type NodePicture = {
  /** All interfaces of the instance. */
  readonly interfaces: readonly NetworkInterface[];
  readonly limits: InstanceLimits;
  readonly subnets: readonly Subnet[];
  readonly securityGroups: readonly SecurityGroup[];
  readonly place: Place;
  readonly rules: InterfaceRules;
  readonly wishes: Wishes;
  readonly watermarks: Watermarks;
  readonly level: Level;
  /** Subnets that said lately that they have no whole /28: single addresses are asked for there. */
  readonly fragmented: ReadonlySet<string>;
};

export type Step =
  | { readonly kind: "enough" }
  | { readonly kind: "grant"; readonly interfaceId: string; readonly grant: Grant }
  | {
      readonly kind: "create";
      readonly subnetId: string;
      readonly securityGroups: readonly string[];
      readonly deviceIndex: number;
      readonly grant: Grant;
    }
  /** It lacks addresses and cannot get any; `why` is for people. */
  | { readonly kind: "stuck"; readonly why: string };

/** Fills interfaces that it has, lowest index first, before it makes another one. */
export function nextStep(node: NodePicture): Step {
  const missing = lacking(node.level, node.watermarks);
  if (missing === 0) return { kind: "enough" };
  const wanted = asking(node.level, node.watermarks);
  return fill(node, wanted) ?? create(node, wanted);
}

function fill(node: NodePicture, wanted: number): Step | undefined {
  for (const eni of podInterfaces(node.interfaces, node.rules)) {
    const subnet = node.subnets.find(({ id }) => id === eni.subnetId);
    const places = freePlaces(eni, node.limits);
    const grant = grantIn(node, subnet, { wanted, places });
    if (grant) return { kind: "grant", interfaceId: eni.id, grant };
  }
  return undefined;
}

function create(node: NodePicture, wanted: number): Step {
  const { interfaces, limits, rules, subnets, place, wishes } = node;
  const deviceIndex = freeIndex(interfaces, limits, rules);
  if (deviceIndex === undefined) return stuck(limitText(node));
  const subnet = chooseSubnet(subnets, place, wishes);
  // Its own address is one of the subnet's too.
  const room = subnet && { ...subnet, available: subnet.available - 1 };
  const grant = grantIn(node, room, { wanted, places: limits.ipv4PerInterface - 1 });
  if (!subnet || !grant) return stuck(subnetText(node));
  const securityGroups = chooseSecurityGroups(node.securityGroups, interfaces, {
    ...wishes,
    vpcId: place.vpcId,
  });
  if (securityGroups.length === 0) return stuck("no security group matches for a new interface");
  return { kind: "create", subnetId: subnet.id, securityGroups, deviceIndex, grant };
}

function grantIn(
  { rules, limits, fragmented }: NodePicture,
  subnet: Subnet | undefined,
  { wanted, places }: { readonly wanted: number; readonly places: number },
): Grant | undefined {
  if (!subnet || places === 0) return undefined;
  const room = { places, inSubnet: subnet.available };
  if (rules.prefixDelegation && limits.prefixes && !fragmented.has(subnet.id)) {
    const whole = grantFor(wanted, { ...room, prefixes: true });
    if (whole.count > 0) return whole;
  }
  const single = grantFor(wanted, { ...room, prefixes: false });
  return single.count > 0 ? single : undefined;
}

function stuck(why: string): Step {
  return { kind: "stuck", why };
}

function limitText({ limits, interfaces, rules }: NodePicture): string {
  const full = podInterfaces(interfaces, rules).length;
  return (
    `an instance of type ${limits.type} may have ${limits.interfaces} interfaces of ` +
    `${limits.ipv4PerInterface} addresses: it has ${interfaces.length}, and the ${full} that are for pods take no more`
  );
}

function subnetText({ place, wishes, subnets }: NodePicture): string {
  const where = `in ${place.vpcId}, ${place.availabilityZone}`;
  const tags = Object.entries(wishes.subnetTags).map(([key, value]) => `${key}=${value}`);
  const asked = [...wishes.subnetIds, ...tags].join(", ");
  const known = subnets.map(({ id, available }) => `${id} (${available} free)`).join(", ");
  return `no subnet ${where}${asked ? ` of ${asked}` : ""} has a free address; known are ${known || "none"}`;
}
