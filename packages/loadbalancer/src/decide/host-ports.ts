// What follows from a pod's hostPorts: its ports at the node's own addresses.
import { Address, type Family } from "@tsilium/net";
import { addWarning } from "../kube/field.ts";
import { type ParsedPod, parsePod, type PodPort } from "../kube/pod.ts";
import {
  type DecidedBackend,
  type DecidedFrontend,
  type DecidedService,
  endpointText,
  serviceProtocols,
  type ServiceWarning,
} from "../model.ts";
import { type DecideContext, isFamilyOn } from "./context.ts";
import { anyAddress } from "./wanted.ts";

/**
 * Frontends for the hostPorts of a pod of this node that has not finished. undefined: the object has no name, or its pod is another
 * node's. Never throws.
 */
export function decideHostPorts(pod: unknown, context: DecideContext): DecidedService | undefined {
  const parsed = parsePod(pod);
  if (parsed?.nodeName !== context.facts.name) return undefined;
  const { namespace, name, createdMs, isDeleted } = parsed.head;
  const warnings: ServiceWarning[] = [...parsed.warnings];
  const isServed = context.settings.hostPort && !parsed.hostNetwork && !parsed.isFinished;
  const frontends = isServed ? frontendsOf(parsed, { ...context, warnings }) : [];
  return {
    key: `${namespace}/${name}:host-port`,
    namespace,
    name: `${name}:host-port`,
    createdMs,
    // Its successor, if there is one already, is the one that is asked for.
    yields: isDeleted,
    clusterIps: [],
    frontends,
    pools: [...new Set(frontends.flatMap(({ pool }) => pool ?? []))],
    healthCheck: undefined,
    externalTrafficPolicy: "Cluster",
    internalTrafficPolicy: "Cluster",
    warnings,
  };
}

type HostPortContext = DecideContext & { readonly warnings: ServiceWarning[] };

function frontendsOf(pod: ParsedPod, context: HostPortContext): DecidedFrontend[] {
  const byKey = new Map<string, DecidedFrontend>();
  for (const port of pod.ports)
    for (const address of pod.addresses)
      for (const frontend of portFrontends(port, address, context))
        if (!byKey.has(frontend.key)) byKey.set(frontend.key, frontend);
  return [...byKey.values()];
}

function portFrontends(
  { hostPort, hostIp, port, protocol, name, path }: PodPort,
  podAddress: Address,
  context: HostPortContext,
): DecidedFrontend[] {
  const { family } = podAddress;
  if (hostPort === undefined || !isFamilyOn(context, family)) return [];
  const addresses = hostAddresses({ hostIp, path, family }, context);
  if (addresses.length === 0) return [];
  if (protocol === 132 && port !== hostPort) {
    addWarning(context.warnings, {
      path: `${path}.hostPort`,
      message: `an SCTP hostPort must be the containerPort, ${port}: not served`,
    });
    return [];
  }
  const backend = backendOf({ address: podAddress, port, protocol }, context);
  const key = `${hostPort}/${serviceProtocols[protocol]}/${family}/${hostIp || "any"}`;
  const pool = { key, backends: [backend] };
  const silent = context.settings.noBackendResponse === "drop";
  const set = { key, backends: [backend], affinityTimeoutS: 0, silent, maglev: false };
  return addresses.map((address) => ({
    key: endpointText(address, hostPort, protocol),
    type: "HostPort",
    addressOnly: false,
    address,
    port: hostPort,
    protocol,
    portName: name,
    dsr: false,
    localRedirect: false,
    sourceRanges: undefined,
    exceptions: [],
    external: set,
    internal: set,
    pool,
    path: `${path}.hostPort`,
  }));
}

function backendOf(
  at: Pick<DecidedBackend, "address" | "port" | "protocol">,
  { facts }: DecideContext,
): DecidedBackend {
  return {
    key: endpointText(at.address, at.port, at.protocol),
    ...at,
    state: "active",
    serving: true,
    nodeName: facts.name,
    zone: facts.zone,
    weight: 100,
    forZones: undefined,
    forNodes: undefined,
  };
}

type HostIp = { readonly hostIp: string; readonly path: string; readonly family: Family };

/** hostIP names one of the node's addresses; without one it is all of them. Anybody else's would take traffic that is not the node's. */
function hostAddresses({ hostIp, path, family }: HostIp, context: HostPortContext): Address[] {
  const { facts, warnings } = context;
  const own = facts.addresses.filter((address) => address.family === family);
  if (hostIp === "") return [anyAddress[family], ...own];
  const address = Address.tryParse(hostIp);
  if (address && address.family !== family) return [];
  if (address?.isUnspecified) return [anyAddress[family], ...own];
  if (address && own.some((each) => each.equals(address))) return [address];
  // The datapath has it for the node's own processes alone.
  if (address?.isLoopback) return [address];
  addWarning(warnings, {
    path: `${path}.hostIP`,
    message: "is no address of this node: not served",
  });
  return [];
}
