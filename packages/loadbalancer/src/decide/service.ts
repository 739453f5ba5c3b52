// What follows from a Service and its EndpointSlices. Pure, and of one service alone: what services want of each other's is
// the book's to settle.
import { isOurs, parseService, type ParsedService } from "../kube/service.ts";
import type { BackendPool, DecidedService, ServiceWarning } from "../model.ts";
import { readAnnotations, type ServiceAnnotations } from "./annotations.ts";
import type { ServiceContext } from "./context.ts";
import { addressOnlyFrontends, type FrontendOptions, frontendOf } from "./frontend.ts";
import { countLocalEndpoints } from "./local-endpoints.ts";
import { ServicePorts } from "./ports.ts";
import { redirectService } from "./redirect-service.ts";
import { scopesOf, type SetScope } from "./scopes.ts";
import { type WantedFrontend, wantedFrontends } from "./wanted.ts";

/**
 * All that the node does for a service. `slices` are the service's (see `sliceService`), in any order. undefined: the object has
 * no name. Services that are not this node's to serve (headless, ExternalName, another proxy's, for other nodes) have no
 * frontends. Never throws, whatever the objects hold.
 */
export function decideService(
  service: unknown,
  slices: readonly unknown[],
  context: ServiceContext,
): DecidedService | undefined {
  const parsed = parseService(service);
  if (!parsed) return undefined;
  const warnings: ServiceWarning[] = [...parsed.warnings];
  const annotations = readAnnotations(parsed, context.settings, warnings);
  if (!isServed(parsed, annotations, context)) return nothingFor(parsed);
  const wanted = wantedFrontends(parsed, annotations, context, warnings);
  const ports = new ServicePorts(parsed, slices, {
    context,
    warnings,
    heedsHints: context.settings.serviceTopology && !annotations.ignoresHints,
    maglevScopes: maglevScopes(parsed, wanted, { annotations, context }),
  });
  const options: FrontendOptions = { service: parsed, annotations, context, ports };
  const frontends = wanted.map((each) => frontendOf(each, options));
  const redirected = redirectService(frontends, parsed, { ...context, warnings });
  return {
    ...nothingFor(parsed),
    frontends: [...redirected.frontends, ...addressOnlyFrontends(wanted, context)],
    pools: [...ports.pools, ...redirected.pools],
    healthCheck: healthCheckOf(parsed, ports.pools, context),
    warnings,
  };
}

function isServed(
  service: ParsedService,
  annotations: ServiceAnnotations,
  { settings, facts }: ServiceContext,
): boolean {
  return (
    service.type !== "ExternalName" &&
    !service.isHeadless &&
    isOurs(service, settings) &&
    annotations.isForNode(facts.labels)
  );
}

function nothingFor({
  head,
  clusterIps,
  externalTrafficPolicy,
  internalTrafficPolicy,
}: ParsedService): DecidedService {
  return {
    key: `${head.namespace}/${head.name}`,
    namespace: head.namespace,
    name: head.name,
    createdMs: head.createdMs,
    yields: false,
    clusterIps: clusterIps.map(({ address }) => address),
    frontends: [],
    pools: [],
    healthCheck: undefined,
    externalTrafficPolicy,
    internalTrafficPolicy,
    warnings: [],
  };
}

/** A table costs 64 KiB: only sets that clients from outside meet have one. */
function maglevScopes(
  service: ParsedService,
  wanted: readonly WantedFrontend[],
  { annotations, context }: { annotations: ServiceAnnotations; context: ServiceContext },
): ReadonlySet<SetScope> {
  if (!annotations.maglev) return new Set();
  return new Set(
    wanted
      .filter(({ type }) => type !== "ClusterIP" || context.settings.externalClusterIp)
      .map(({ type }) => scopesOf(service, type).external),
  );
}

function healthCheckOf(
  service: ParsedService,
  pools: readonly BackendPool[],
  { facts }: ServiceContext,
): DecidedService["healthCheck"] {
  const { type, externalTrafficPolicy, healthCheckNodePort: port } = service;
  if (type !== "LoadBalancer" || externalTrafficPolicy !== "Local" || port === undefined)
    return undefined;
  return { port, localEndpoints: countLocalEndpoints(pools, facts.name) };
}
