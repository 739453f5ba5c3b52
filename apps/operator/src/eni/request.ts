// What a CiliumNode asks for. Its fields are other people's text: what cannot be read counts as not said.
import {
  defaultWatermarks,
  type InterfaceRules,
  type Level,
  type Place,
  type Watermarks,
  type Wishes,
} from "@tsilium/cloud";
import type { CiliumNode } from "@tsilium/kube";
import { Address } from "@tsilium/net";

export type NodeRequest = {
  readonly name: string;
  readonly instanceId: string;
  readonly instanceType: string;
  readonly place: Place;
  readonly rules: InterfaceRules;
  readonly wishes: Wishes;
  readonly watermarks: Watermarks;
  /** Addresses that the agent says are in use. */
  readonly used: ReadonlySet<string>;
  /** status.ipam.release-ips. */
  readonly releaseIps: Readonly<Record<string, string>>;
  readonly deleteOnTermination: boolean;
};

/** The operator's own settings. */
export type RequestDefaults = {
  readonly prefixDelegation: boolean;
  readonly usePrimaryAddress: boolean;
};

/** Undefined for a node whose agent has not said yet which instance it is on. */
export function requestOf(node: CiliumNode, defaults: RequestDefaults): NodeRequest | undefined {
  const { ipam, eni = {} } = node.spec ?? {};
  const instanceId = node.spec?.["instance-id"] ?? "";
  const name = node.metadata.name ?? "";
  if (!/^i-[0-9a-f]+$/.test(instanceId)) return undefined;
  return {
    name,
    instanceId,
    instanceType: eni["instance-type"] ?? "",
    place: {
      vpcId: eni["vpc-id"] ?? "",
      availabilityZone: eni["availability-zone"] ?? "",
      nodeSubnetId: eni["node-subnet-id"] ?? "",
    },
    rules: {
      firstInterfaceIndex: count(eni["first-interface-index"]) ?? 0,
      excludeTags: eni["exclude-interface-tags"] ?? {},
      usePrimaryAddress: eni["use-primary-address"] ?? defaults.usePrimaryAddress,
      prefixDelegation: defaults.prefixDelegation && eni["disable-prefix-delegation"] !== true,
    },
    wishes: {
      subnetIds: eni["subnet-ids"] ?? [],
      subnetTags: eni["subnet-tags"] ?? {},
      securityGroups: eni["security-groups"] ?? [],
      securityGroupTags: eni["security-group-tags"] ?? {},
    },
    watermarks: {
      minAllocate: count(ipam?.["min-allocate"]) ?? defaultWatermarks.minAllocate,
      maxAllocate: count(ipam?.["max-allocate"]) ?? defaultWatermarks.maxAllocate,
      // 0 is what an object has that does not say.
      preAllocate: count(ipam?.["pre-allocate"]) || defaultWatermarks.preAllocate,
      maxAboveWatermark:
        count(ipam?.["max-above-watermark"]) ?? defaultWatermarks.maxAboveWatermark,
    },
    used: new Set(
      Object.keys(node.status?.ipam?.used ?? {}).flatMap(
        (text) => Address.tryParse(text)?.toString() ?? [],
      ),
    ),
    releaseIps: node.status?.ipam?.["release-ips"] ?? {},
    deleteOnTermination: eni["delete-on-termination"] ?? true,
  };
}

/** Addresses on their way out are nobody's: neither available nor used. */
export function levelOf(
  pool: readonly string[],
  { used, releaseIps }: Pick<NodeRequest, "used" | "releaseIps">,
): Level {
  const leaving = (address: string) =>
    releaseIps[address] === "ready-for-release" || releaseIps[address] === "released";
  return { available: pool.filter((address) => !leaving(address)).length, used: used.size };
}

function count(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}
