// A frontend that a service asks for, with what is behind it.
import type { Family, Prefix } from "@tsilium/net";
import type { ParsedService } from "../kube/service.ts";
import { type DecidedFrontend, endpointText, type FrontendType } from "../model.ts";
import type { ServiceAnnotations } from "./annotations.ts";
import type { DecideContext } from "./context.ts";
import type { ServicePorts } from "./ports.ts";
import { scopesOf } from "./scopes.ts";
import { allowedRanges, rangesBut } from "./source-ranges.ts";
import type { WantedFrontend } from "./wanted.ts";

export type FrontendOptions = {
  readonly service: ParsedService;
  readonly annotations: ServiceAnnotations;
  readonly context: DecideContext;
  readonly ports: ServicePorts;
};

export function frontendOf(wanted: WantedFrontend, options: FrontendOptions): DecidedFrontend {
  const { key, type, address, port, servicePort, path } = wanted;
  const { pool, sets } = options.ports.get(servicePort, address.family);
  const scopes = scopesOf(options.service, type);
  return {
    key,
    type,
    addressOnly: false,
    address,
    port,
    protocol: servicePort.protocol,
    portName: servicePort.name,
    dsr: isDsr(wanted, options),
    localRedirect: false,
    sourceRanges: sourceRangesOf(type, address.family, options),
    exceptions: [],
    external: sets.get(scopes.external, port),
    internal: sets.get(scopes.internal, port),
    pool,
    path,
  };
}

/** From the cluster's own clients answers come back anyway. */
function isDsr(
  { type, servicePort }: WantedFrontend,
  { annotations: { mode } }: FrontendOptions,
): boolean {
  if (type === "ClusterIP") return false;
  return mode === "dsr" || (mode === "hybrid" && servicePort.protocol === 6);
}

/** A family that no range is of lets nobody in: kube-proxy lets everybody in, which hardly anybody means. */
function sourceRangesOf(
  type: FrontendType,
  family: Family,
  { service: { sourceRanges }, annotations, context }: FrontendOptions,
): readonly Prefix[] | undefined {
  const isChecked = type === "LoadBalancer" || context.settings.sourceRangeAllTypes;
  if (!sourceRanges || !isChecked) return undefined;
  return annotations.sourceRanges === "deny"
    ? rangesBut(sourceRanges, family)
    : allowedRanges(sourceRanges, family);
}

/**
 * Cluster IPs and load balancers' addresses are services' on every port, so that nothing for them leaves the node. An address that a
 * node has is not, nor is an external IP: others may listen there.
 */
export function addressOnlyFrontends(
  wanted: readonly WantedFrontend[],
  { facts }: DecideContext,
): DecidedFrontend[] {
  const owned = wanted.filter(
    ({ type, address }) =>
      type === "ClusterIP" ||
      (type === "LoadBalancer" && !facts.clusterAddresses.has(`${address}`)),
  );
  const byAddress = new Map(
    owned.map((frontend) => [endpointText(frontend.address, 0, 0), frontend]),
  );
  return [...byAddress].map(([key, { type, address, path }]) => ({
    key,
    type,
    addressOnly: true,
    address,
    port: 0,
    protocol: 0,
    portName: "",
    dsr: false,
    localRedirect: false,
    sourceRanges: undefined,
    exceptions: [],
    external: undefined,
    internal: undefined,
    pool: undefined,
    path,
  }));
}
