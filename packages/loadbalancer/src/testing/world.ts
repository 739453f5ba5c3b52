// Everything that decisions are made of, as one value; and the decisions.
import type { CiliumLocalRedirectPolicy, EndpointSlice, Pod, Service } from "@tsilium/kube";
import type { LocalPod } from "../decide/context.ts";
import { decideHostPorts } from "../decide/host-ports.ts";
import { decideRedirect } from "../decide/redirect.ts";
import { decideService } from "../decide/service.ts";
import { sliceService } from "../kube/slice.ts";
import type { DecidedService, LoadBalancerSettings, NodeFacts } from "../model.ts";

/** Objects by "ns/name". */
export type World = {
  readonly settings: LoadBalancerSettings;
  readonly facts: NodeFacts;
  readonly services: ReadonlyMap<string, Service>;
  readonly slices: ReadonlyMap<string, EndpointSlice>;
  readonly pods: ReadonlyMap<string, Pod>;
  readonly policies: ReadonlyMap<string, CiliumLocalRedirectPolicy>;
};

/** A pod's network namespace, by its first address. */
export function cookieOf(pod: Pod): bigint {
  return BigInt(pod.status?.podIPs?.[0]?.ip.replaceAll(/[^0-9]/g, "") || 0);
}

export function decideWorld(world: World): DecidedService[] {
  const { settings, facts } = world;
  const localPods: LocalPod[] = [...world.pods.values()].map((pod) => ({
    pod,
    netnsCookie: cookieOf(pod),
  }));
  const redirects = [...world.policies.values()];
  const context = { settings, facts, redirects, localPods };
  const slices = Map.groupBy(world.slices.values(), (slice) => sliceService(slice));
  return [
    ...[...world.services].map(([key, service]) =>
      decideService(service, slices.get(key) ?? [], context),
    ),
    ...[...world.pods.values()].map((pod) => decideHostPorts(pod, context)),
    ...redirects.map((policy) => decideRedirect(policy, context)),
  ].flatMap((decided) => decided ?? []);
}
