// What a decision is made in, and of, besides the object itself.
import type { CiliumLocalRedirectPolicy, Pod } from "@tsilium/kube";
import type { LoadBalancerSettings, NodeFacts } from "../model.ts";

/** A pod of this node. */
export type LocalPod = {
  readonly pod: Pod;
  /** SO_NETNS_COOKIE of its network namespace; undefined or 0n: not known (yet), or the node's own. */
  readonly netnsCookie: bigint | undefined;
};

export type DecideContext = {
  readonly settings: LoadBalancerSettings;
  readonly facts: NodeFacts;
};

export type ServiceContext = DecideContext & {
  /** Policies whose serviceMatcher may name the service. */
  readonly redirects?: readonly CiliumLocalRedirectPolicy[];
  /** Those of the service's namespace are enough. */
  readonly localPods?: readonly LocalPod[];
};

export function isFamilyOn({ settings }: DecideContext, family: 4 | 6): boolean {
  return family === 4 ? settings.enableIpv4 : settings.enableIpv6;
}
