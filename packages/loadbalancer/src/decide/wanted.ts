// The frontends that a service asks for, before anybody asks what is behind them.
import { Address, type Family } from "@tsilium/net";
import type { NamedAddress } from "../kube/address.ts";
import { addWarning } from "../kube/field.ts";
import type { ParsedPort, ParsedService } from "../kube/service.ts";
import { endpointText, type FrontendType, type ServiceWarning } from "../model.ts";
import type { ServiceAnnotations } from "./annotations.ts";
import { type DecideContext, isFamilyOn } from "./context.ts";
import { addressRefusal, portRefusal } from "./refusal.ts";

export type WantedFrontend = {
  readonly key: string;
  readonly type: FrontendType;
  readonly address: Address;
  readonly port: number;
  readonly servicePort: ParsedPort;
  readonly path: string;
};

/** "Any address of a node", to sockets. */
export const anyAddress: Readonly<Record<Family, Address>> = {
  4: Address.fromBigInt(0n, 4),
  6: Address.fromBigInt(0n, 6),
};

/** Of one service: thousands of external IPs times thousands of ports must not take a node's memory. */
const maxFrontends = 65_536;

/** In order of precedence: what a service asks for twice, it has as the first of them. */
export function wantedFrontends(
  service: ParsedService,
  { only }: ServiceAnnotations,
  context: DecideContext,
  warnings: ServiceWarning[],
): readonly WantedFrontend[] {
  const { settings } = context;
  const isShown = (type: ServiceAnnotations["only"]) => only === undefined || only === type;
  const hasNodePorts = service.type === "NodePort" || service.type === "LoadBalancer";
  const wanted = new Map<string, WantedFrontend>();
  const add = (frontends: Iterable<WantedFrontend>) => {
    for (const frontend of frontends) {
      if (wanted.has(frontend.key)) continue;
      if (wanted.size >= maxFrontends) {
        addWarning(warnings, {
          path: frontend.path,
          message: `the service has ${maxFrontends} frontends already: not served`,
        });
        return;
      }
      wanted.set(frontend.key, frontend);
    }
  };
  if (isShown("ClusterIP")) add(clusterIpFrontends(service, context));
  if (hasNodePorts && settings.nodePort && isShown("NodePort"))
    add(nodePortFrontends(service, context));
  if (service.type === "LoadBalancer" && settings.nodePort && isShown("LoadBalancer"))
    add(outsideFrontends("LoadBalancer", service.ingress, { service, context, warnings }));
  if (settings.externalIps)
    add(outsideFrontends("ExternalIPs", service.externalIps, { service, context, warnings }));
  return [...wanted.values()];
}

function clusterIpFrontends(service: ParsedService, context: DecideContext): WantedFrontend[] {
  return service.clusterIps
    .filter(({ address }) => isFamilyOn(context, address.family))
    .flatMap(({ address, path }) =>
      service.ports.map((port) =>
        wantedAt("ClusterIP", { address, port: port.port, servicePort: port, path }),
      ),
    );
}

/** A row for each of the node's addresses, and one for sockets that name any node. */
function nodePortFrontends(service: ParsedService, context: DecideContext): WantedFrontend[] {
  const addresses = service.families
    .filter((family) => isFamilyOn(context, family))
    .flatMap((family) => [anyAddress[family], ...nodePortAddresses(context, family)]);
  return service.ports.flatMap((port) => {
    const { nodePort } = port;
    if (nodePort === undefined) return [];
    const path = `${port.path}.nodePort`;
    return addresses.map((address) =>
      wantedAt("NodePort", { address, port: nodePort, servicePort: port, path }),
    );
  });
}

function nodePortAddresses({ facts, settings }: DecideContext, family: Family): Address[] {
  const allowed = settings.nodePortAddresses;
  return facts.addresses.filter(
    (address) =>
      address.family === family &&
      (allowed.length === 0 || allowed.some((prefix) => prefix.contains(address))),
  );
}

type OutsideOptions = {
  readonly service: ParsedService;
  readonly context: DecideContext;
  readonly warnings: ServiceWarning[];
};

function* outsideFrontends(
  type: "LoadBalancer" | "ExternalIPs",
  addresses: readonly NamedAddress[],
  { service, context, warnings }: OutsideOptions,
): Iterable<WantedFrontend> {
  const refuse = (path: string, message: string) =>
    addWarning(warnings, { path, message: `${message}: not served` });
  for (const { address, path } of addresses) {
    if (!isFamilyOn(context, address.family)) continue;
    const problem = outsideProblem(address, service, context);
    if (problem !== undefined) {
      refuse(path, problem);
      continue;
    }
    for (const servicePort of service.ports) {
      const { port, protocol } = servicePort;
      const refusal = portRefusal({ address, port, protocol }, context);
      if (refusal === undefined) yield wantedAt(type, { address, port, servicePort, path });
      else refuse(path, refusal);
    }
  }
}

function outsideProblem(
  address: Address,
  service: ParsedService,
  context: DecideContext,
): string | undefined {
  if (service.clusterIps.some((clusterIp) => clusterIp.address.equals(address)))
    return `${address} is the service's own cluster IP`;
  return addressRefusal(address, context);
}

function wantedAt(type: FrontendType, at: Omit<WantedFrontend, "key" | "type">): WantedFrontend {
  return { key: endpointText(at.address, at.port, at.servicePort.protocol), type, ...at };
}
