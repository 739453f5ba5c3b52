// Which IPAM mode the agent runs in.
import type { IpamMode } from "@tsilium/ipam";
import { crdSource } from "./crd.ts";
import { delegatedSource } from "./delegated.ts";
import { EniSource } from "./eni/source.ts";
import { MultiPoolSource } from "./multi-pool/source.ts";
import { podCidrSource } from "./pod-cidrs.ts";
import type { IpamParts, IpamSource } from "./source.ts";

/** Nothing is asked of anybody yet. */
export function chooseIpam(parts: IpamParts): IpamSource {
  return sources[parts.config.ipam](parts);
}

const sources: Readonly<
  Record<IpamParts["config"]["ipam"] & IpamMode, (parts: IpamParts) => IpamSource>
> = {
  "cluster-pool": (parts) => podCidrSource(parts, "cluster-pool"),
  kubernetes: (parts) => podCidrSource(parts, "kubernetes"),
  "multi-pool": (parts) => new MultiPoolSource(parts),
  crd: crdSource,
  eni: (parts) => new EniSource(parts),
  "delegated-plugin": delegatedSource,
};
