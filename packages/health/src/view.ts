// Health as JSON, in the shape of Cilium's HealthStatusResponse. Pure.
import { isAnswer } from "./decide.ts";
import type { NodeHealth, PathHealth, ProbeResult } from "./model.ts";

export type ConnectivityView = {
  /** Nanoseconds; absent without an answer. */
  readonly latency?: number;
  /** Empty: an answer came. */
  readonly status: string;
  readonly lastProbed?: string;
};

export type PathView = {
  readonly ip: string;
  readonly icmp?: ConnectivityView;
  readonly http?: ConnectivityView;
};

/** The first address and those of the other family. */
export type AddressesView = {
  readonly "primary-address": PathView;
  readonly "secondary-addresses"?: readonly PathView[];
};

export type NodeHealthView = {
  readonly name: string;
  readonly host?: AddressesView;
  /** Absent where a node has no health endpoint. */
  readonly "health-endpoint"?: AddressesView;
};

export type HealthStatusView = {
  readonly local: { readonly name: string };
  readonly nodes: readonly NodeHealthView[];
  /** When the last probe ended; absent before the first. */
  readonly timestamp?: string;
  /** Seconds between two probes of a node. */
  readonly probeInterval: number;
  /** Nobody is probed: enable-health-checking is false. */
  readonly disabled?: true;
};

export type HealthStatusOptions = {
  readonly localName: string;
  readonly nodes: readonly NodeHealth[];
  readonly lastProbedAt: Date | undefined;
  readonly intervalMs: number;
};

export function healthStatusView(options: HealthStatusOptions): HealthStatusView {
  const { localName, nodes, lastProbedAt, intervalMs } = options;
  return {
    local: { name: localName },
    nodes: nodes.map(nodeView),
    ...(lastProbedAt ? { timestamp: lastProbedAt.toISOString() } : {}),
    probeInterval: intervalMs / 1000,
  };
}

function nodeView({ name, host, endpoint }: NodeHealth): NodeHealthView {
  const ofHost = addressesView(host);
  const ofEndpoint = addressesView(endpoint);
  return {
    name,
    ...(ofHost ? { host: ofHost } : {}),
    ...(ofEndpoint ? { "health-endpoint": ofEndpoint } : {}),
  };
}

function addressesView(paths: readonly PathHealth[]): AddressesView | undefined {
  const [primary, ...others] = paths.map(pathView);
  if (!primary) return undefined;
  return {
    "primary-address": primary,
    ...(others.length > 0 ? { "secondary-addresses": others } : {}),
  };
}

function pathView({ address, icmp, http }: PathHealth): PathView {
  return {
    ip: address.toString(),
    ...(icmp ? { icmp: connectivityView(icmp) } : {}),
    ...(http ? { http: connectivityView(http) } : {}),
  };
}

function connectivityView(result: ProbeResult): ConnectivityView {
  const lastProbed = result.at.toISOString();
  return isAnswer(result)
    ? { latency: Math.round(result.latencyMs * 1e6), status: "", lastProbed }
    : { status: result.problem, lastProbed };
}
