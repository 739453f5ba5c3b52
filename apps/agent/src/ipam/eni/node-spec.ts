// What the agent says of its instance, and wishes, in CiliumNode.spec: the operator acts on it. Pure.
import { isDeepStrictEqual } from "node:util";
import type { CiliumNode } from "@tsilium/kube";
import type { AgentConfig } from "../../config/keys.ts";
import { tagsOf } from "../../config/eni-keys.ts";
import type { InstanceMetadata } from "./instance-metadata.ts";

type EniSpec = NonNullable<NonNullable<CiliumNode["spec"]>["eni"]>;

/** The merge patch of spec that says it all; undefined when the object does already. */
export function specPatch(
  node: CiliumNode,
  instance: InstanceMetadata,
  config: AgentConfig,
): object | undefined {
  const spec = node.spec ?? {};
  const eni = eniOf(instance, config);
  const marks = {
    "min-allocate": config["ipam-min-allocate"],
    "pre-allocate": config["ipam-pre-allocate"],
    "max-allocate": config["ipam-max-allocate"],
    "max-above-watermark": config["ipam-max-above-watermark"],
  };
  const { ipam } = spec;
  const present = Object.fromEntries(
    Object.keys(marks).map((key) => [key, ipam?.[key as keyof typeof marks]]),
  );
  const same =
    isDeepStrictEqual(spec.eni, eni) &&
    isDeepStrictEqual(present, marks) &&
    spec["instance-id"] === instance.instanceId;
  if (same) return undefined;
  const gone = Object.keys(spec.eni ?? {}).filter((key) => !Object.hasOwn(eni, key));
  return {
    "instance-id": instance.instanceId,
    ipam: marks,
    eni: {
      ...Object.fromEntries(gone.map((key) => [key, null])),
      ...eni,
      ...withoutOldTags(spec.eni, eni),
    },
  };
}

function eniOf(instance: InstanceMetadata, config: AgentConfig): EniSpec {
  return {
    "instance-type": instance.instanceType,
    "vpc-id": instance.vpcId,
    "availability-zone": instance.availabilityZone,
    "node-subnet-id": instance.subnetId,
    "first-interface-index": config["eni-first-interface-index"],
    "subnet-ids": config["eni-subnet-ids"],
    "subnet-tags": tagsOf(config["eni-subnet-tags"]) ?? {},
    "security-groups": config["eni-security-groups"],
    "security-group-tags": tagsOf(config["eni-security-group-tags"]) ?? {},
    "exclude-interface-tags": tagsOf(config["eni-exclude-interface-tags"]) ?? {},
    "delete-on-termination": config["eni-delete-on-termination"],
    "use-primary-address": config["eni-use-primary-address"],
    "disable-prefix-delegation": config["eni-disable-prefix-delegation"],
  };
}

/** A merge patch keeps a map's entries that it does not name: those that are not wanted any more are named. */
function withoutOldTags(
  present: EniSpec | undefined,
  wanted: EniSpec,
): Record<string, Record<string, string | null>> {
  const maps = ["subnet-tags", "security-group-tags", "exclude-interface-tags"] as const;
  return Object.fromEntries(
    maps.map((key) => {
      const gone = Object.keys(present?.[key] ?? {}).filter(
        (tag) => !Object.hasOwn(wanted[key] ?? {}, tag),
      );
      return [key, { ...Object.fromEntries(gone.map((tag) => [tag, null])), ...wanted[key] }];
    }),
  );
}
