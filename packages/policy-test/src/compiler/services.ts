// Services of a test, as `toServices` looks at them.
import type { EndpointSlice, Service } from "@tsilium/kube";
import { Address, Labels, Prefix } from "@tsilium/net";
import type { PolicyService } from "@tsilium/policy/model.ts";

/** An empty selector selects nothing in Kubernetes: it is as good as none. */
export function policyServices(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
): PolicyService[] {
  return services.map(({ metadata, spec }) => {
    const { namespace = "default", name = "", labels = {} } = metadata;
    const selector = Object.keys(spec.selector ?? {}).length > 0 ? spec.selector : undefined;
    const own = slices.filter(
      (slice) =>
        (slice.metadata.namespace ?? "default") === namespace &&
        slice.metadata.labels?.["kubernetes.io/service-name"] === name,
    );
    const backends = selector ? [] : own.flatMap(addressesOf);
    return { namespace, name, labels: Labels.fromRecord("k8s", labels), selector, backends };
  });
}

function addressesOf({ endpoints = [] }: EndpointSlice): Prefix[] {
  return endpoints
    .flatMap(({ addresses }) => addresses)
    .flatMap((text) => {
      const address = Address.tryParse(text);
      return address ? [Prefix.host(address)] : [];
    });
}
