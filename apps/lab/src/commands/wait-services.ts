// The part of `tsilium lab wait --for policy` that comes before and after the agents: controllers have drawn what follows
// from services, and the world has its routes to their addresses.
import { setTimeout as sleep } from "node:timers/promises";
import { KubeError, resources, type Service } from "@tsilium/kube";
import { labSettings } from "../cluster/settings.ts";
import { nodeNumber } from "../context.ts";
import { outsideAddresses, reservedPrefixes } from "../load-balancer/addresses.ts";
import { unsettled } from "../objects/settled.ts";
import { runningLab } from "../state.ts";
import type { LabClient } from "./client.ts";

/**
 * Waits until each service that is there has settled once: under a stream of changes there may be no moment at which all
 * have. @param deadline of performance.now() @returns what lags at the deadline
 */
export async function untilServicesSettle(lab: LabClient, deadline: number): Promise<string[]> {
  let waitedFor: ReadonlySet<string> | undefined;
  for (let delayMs = 10; ; delayMs = Math.min(delayMs * 1.5, 250)) {
    const all = await lagging(lab);
    const late = new Map([...all].filter(([key]) => waitedFor?.has(key) ?? true));
    if (late.size === 0) return [];
    if (performance.now() > deadline)
      return [...late].map(([key, why]) => `service ${key}: ${why}`);
    waitedFor = new Set(late.keys());
    await sleep(delayMs);
  }
}

async function lagging({ client, signal }: LabClient): Promise<Map<string, string>> {
  const options = { signal };
  const services = (await client.list(resources.services, options)).items;
  const pods = (await client.list(resources.pods, options)).items;
  const slices = (await client.list(resources.endpointSlices, options)).items;
  const wantsPools = services.some(({ spec }) => spec.type === "LoadBalancer");
  const pools = wantsPools ? await poolsOf({ client, signal }) : [];
  return unsettled({ services, pods, slices, pools });
}

async function poolsOf({ client, signal }: Pick<LabClient, "client" | "signal">) {
  try {
    return (await client.list(resources.ciliumLoadBalancerIPPools, { signal })).items;
  } catch (error) {
    if (KubeError.isNotFound(error)) return [];
    throw error;
  }
}

/** Waits until the lab's daemon has routes to all services' addresses. @returns those that are missing */
export async function untilRouted(
  name: string,
  { client, signal }: LabClient,
  deadline: number,
): Promise<string[]> {
  const services = (await client.list(resources.services, { signal })).items;
  for (;;) {
    const missing = unrouted(name, services);
    if (missing.length === 0 || performance.now() > deadline) return missing;
    await sleep(10);
  }
}

function unrouted(name: string, services: readonly Service[]): string[] {
  const { lab, state } = runningLab(name);
  // No route can be had while no node is ready, and none is owed then.
  if (state.readyNodes.length === 0) return [];
  const nodes = state.nodes.map((node) => lab.node(nodeNumber(node)));
  const reserved = reservedPrefixes(nodes, { ...labSettings, ...state.settings });
  const routed = new Set(state.loadBalancerRoutes.map(({ destination }) => destination));
  return services.flatMap((service) =>
    outsideAddresses(service, reserved)
      .filter((prefix) => !routed.has(prefix.toString()))
      .map((prefix) => `the world has no route to ${prefix.address} yet`),
  );
}
