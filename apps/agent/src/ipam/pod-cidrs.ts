// Modes in which a node has its blocks for life: cluster-pool, whose operator gives them, and kubernetes, where the
// controller manager does (Node.spec.podCIDRs) and the agent passes them on to its peers in its CiliumNode.
import { type IpamMode, PoolIpam } from "@tsilium/ipam";
import type { Node as KubeNode } from "@tsilium/kube";
import { type Address, type Family, Prefix } from "@tsilium/net";
import type { IpamHooks, IpamParts, IpamSource, NodeRanges } from "./source.ts";

export function podCidrSource(
  { discovery, families }: IpamParts,
  mode: Extract<IpamMode, "cluster-pool" | "kubernetes">,
): IpamSource {
  return {
    mode,
    awaited:
      mode === "cluster-pool"
        ? "this node's Node and, from the operator, its pod CIDRs"
        : "this node's Node and, in it, its pod CIDRs",
    publishesPodCidrs: mode === "kubernetes",
    learn: async (signal) => {
      const node = await discovery.waitForPodCidrs(families, signal);
      const podCidrs = node.podCidrs.filter(({ family }) => families.includes(family));
      return {
        podCidrs,
        routerIpv4: routerOf(4, node.routerIpv4, podCidrs),
        routerIpv6: routerOf(6, node.routerIpv6, podCidrs),
      };
    },
    isComplete: ({ podCidrs }) =>
      families.every((family) => podCidrs.some((cidr) => cidr.family === family)),
    open: ({ podCidrs }, hooks) => open(mode, { families, podCidrs, hooks }),
  };
}

/** Pod CIDRs that the controller manager gave a Node; those that are none are left out. */
export function podCidrsOf({ spec }: KubeNode): Prefix[] {
  const texts = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  return texts.flatMap((text) => Prefix.tryParse(text) ?? []);
}

function open(
  mode: IpamMode,
  {
    families,
    podCidrs,
    hooks,
  }: {
    readonly families: readonly Family[];
    readonly podCidrs: NodeRanges["podCidrs"];
    readonly hooks: IpamHooks;
  },
): PoolIpam {
  const { takenElsewhere, onExpired, onExhausted } = hooks;
  const ipam = new PoolIpam({
    mode,
    families,
    takenElsewhere,
    onExpired,
    onExhausted,
    advice: () => "delete pods here, or give nodes bigger blocks (docs/ipam.md)",
  });
  ipam.setRanges("default", podCidrs);
  return ipam;
}

/** The router a node published if it still has it, or the first address of its pod CIDRs. */
export function routerOf(
  family: Family,
  published: Address | undefined,
  podCidrs: readonly Prefix[],
): Address | undefined {
  const own = podCidrs.filter((cidr) => cidr.family === family);
  if (published && own.some((cidr) => cidr.contains(published))) return published;
  return own[0]?.nth(1);
}
