// What each IPAM mode gives the agent: where it learns what this node is, and who hands out its pods' addresses.
import type { Ipam, IpamError, IpamMode, PoolChoice, PoolFamily } from "@tsilium/ipam";
import type { KubeClient, Namespace, Pod } from "@tsilium/kube";
import type { Address, Family, Prefix } from "@tsilium/net";
import type { NodeDiscovery } from "@tsilium/node";
import type { Logger } from "@tsilium/runtime";
import type { AgentConfig } from "../config/keys.ts";
import type { NodeFacts } from "../node/facts.ts";
import type { Watches } from "../watches.ts";

/** What of the node's addresses never changes while the agent runs. */
export type NodeRanges = Pick<NodeFacts, "podCidrs" | "routerIpv4" | "routerIpv6">;

export type IpamSource = {
  readonly mode: IpamMode;
  /** What a starting agent waits for, in words. */
  readonly awaited: string;
  /** Whether the agent itself publishes its Node's pod CIDRs in the CiliumNode. */
  readonly publishesPodCidrs: boolean;
  /**
   * Waits for what the node needs. Called again once the API server has been heard: when it answers otherwise then, the
   * agent starts anew. @throws the signal's reason
   */
  learn(signal: AbortSignal): Promise<NodeRanges>;
  /** Whether ranges that an earlier agent learned serve this one, without the API server. */
  isComplete(ranges: NodeRanges): boolean;
  /** Begins to hand out. Called once; nothing has an address yet, not even the router. */
  open(ranges: NodeRanges, hooks: IpamHooks): Ipam;
  /** Further devices that the datapath must be at, beside the configured ones. Asked once, before it starts. */
  devices?(): readonly string[];
  /**
   * Where pods are known by their own addresses and need not be masqueraded, the most important range first, when no
   * native-routing-cidr says so. Asked once, before the datapath starts; absent: it is for the configuration to say.
   */
  podRanges?(): readonly Prefix[];
  /** The datapath runs, at `devices()` and with `podRanges()`. */
  onDatapath?(datapath: DatapathOfPool): void;
  /** Which pools a pod's addresses are to come from; undefined in modes without pools. */
  poolOf?(pod: Pod | undefined, namespace: Namespace | undefined): PoolChoice;
};

/** What a mode may ask of the datapath while it runs. */
export type DatapathOfPool = {
  /** Its further devices are these from now on. @throws DatapathError */
  useDevices(names: readonly string[]): void;
  /** @throws BpfError */
  usePodRanges(ranges: readonly Prefix[]): void;
};

/** What a mode is made of. */
export type IpamParts = {
  readonly config: AgentConfig;
  readonly nodeName: string;
  readonly families: readonly Family[];
  readonly client: KubeClient;
  readonly watches: Watches;
  readonly discovery: NodeDiscovery;
  /** Folder of state that outlives the agent. */
  readonly stateDir: string;
  readonly log: Logger;
};

/** What the rest of the agent tells a mode, and is told by it. */
export type IpamHooks = {
  /** Which other node's pod has an address, as far as this node knows. */
  readonly takenElsewhere: (address: Address) => string | undefined;
  readonly onExpired: () => void;
  readonly onExhausted: (exhausted: PoolFamily, error: IpamError) => void;
  /** Fires when the agent stops. */
  readonly stop: AbortSignal;
};

/** The router address that was published before, if `has` says it still serves; else the first that it offers. */
export function keptRouter(
  published: Address | undefined,
  offered: readonly Address[],
  has: (address: Address) => boolean,
): Address | undefined {
  if (published && has(published)) return published;
  return offered.toSorted((a, b) => a.compare(b))[0];
}
