// What of services this node does, and how: for people, so that a fallback is seen.
import type { ServiceConfig, ServiceFeature } from "../model.ts";
import type { XdpState } from "./xdp-hooks.ts";

/** How the hooks are. */
export type HookFacts = {
  /** Why sockets are not balanced though they should be. */
  readonly socketProblem: string | undefined;
  readonly xdp: readonly XdpState[];
};

/** Each part, in the order in which a connection meets them. */
export function serviceFeatures(
  services: ServiceConfig,
  { socketProblem, xdp }: HookFacts,
): ServiceFeature[] {
  const { socketLb, bindProtection, nodePort, nodePortRange } = services;
  const range = nodePortRange.join("-");
  const whose = socketLb === "host" ? "the node's own sockets" : "all sockets";
  return [
    atSockets(
      "socket-lb",
      socketLb !== "none" ? `${whose}, in ${services.cgroupRoot}` : undefined,
      {
        problem: socketProblem,
        fallback: "packets are balanced instead",
      },
    ),
    atSockets("bind-protection", bindProtection ? `node ports ${range}` : undefined, {
      problem: socketProblem,
      fallback: "processes can bind to node ports",
    }),
    feature("packet-lb", "packets of pods whose sockets are not balanced"),
    feature("node-port", nodePort ? `packets from outside, node ports ${range}` : undefined),
    acceleration(services, xdp),
    feature(
      "dsr",
      services.dsr === "none" ? undefined : `where a service asks for it, by ${services.dsr}`,
    ),
    feature(
      "external-cluster-ip",
      services.externalClusterIp ? "clients from outside may use cluster IPs" : undefined,
    ),
    feature("maglev", `tables of ${services.maglevTableSize} entries, where a service asks for it`),
  ];
}

/** `how` undefined: not asked for. */
function feature(name: string, how: string | undefined): ServiceFeature {
  return { name, enabled: how !== undefined, ok: true, message: how ?? "off" };
}

function atSockets(
  name: string,
  how: string | undefined,
  { problem, fallback }: { problem: string | undefined; fallback: string },
): ServiceFeature {
  if (how === undefined || problem === undefined) return feature(name, how);
  return { name, enabled: false, ok: false, message: `${fallback}: ${problem}` };
}

function acceleration(
  { acceleration: wanted }: ServiceConfig,
  xdp: readonly XdpState[],
): ServiceFeature {
  const name = "acceleration";
  if (xdp.length === 0) return feature(name, undefined);
  const words = xdp.map(({ device, mode, problem }) => `${device} ${problem ?? mode}`);
  const failed = xdp.filter(({ problem }) => problem !== undefined);
  return {
    name,
    enabled: failed.length < xdp.length,
    ok: failed.length === 0 || wanted === "best-effort",
    message: `XDP: ${words.join(", ")}`,
  };
}
