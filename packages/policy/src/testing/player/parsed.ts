// A scenario's objects as the compiler is told of them.
import { Labels, Prefix } from "@tsilium/net";
import {
  type CidrGroup,
  parseCidrGroup,
  parsePolicy,
  type Policy,
  type PolicyService,
} from "../../index.ts";
import { keyOf, type Scenario } from "../generate/index.ts";
import type { EndpointSlice, RawObject, Service } from "../naive/index.ts";

/** By "kind/namespace/name". */
export function policiesOf({ objects, world, settings }: Scenario): Map<string, Policy> {
  const options = {
    clusterName: world.clusterName,
    nodeSelectorLabels: true,
    kubernetesIpBlock: settings.ipBlock,
  };
  return new Map(
    objects
      .filter(({ kind }) => kind.endsWith("Policy"))
      .map((object) => {
        const result = parsePolicy(object, options);
        if (!result.ok) throw new Error(`${keyOf(object)}: ${JSON.stringify(result.problems)}`);
        return [keyOf(object), result.policy];
      }),
  );
}

/** By name. */
export function groupsOf({ objects }: Scenario): Map<string, CidrGroup> {
  return new Map(
    objects
      .filter(({ kind }) => kind === "CiliumCIDRGroup")
      .map((object) => {
        const result = parseCidrGroup(object);
        if (!result.ok) throw new Error(`${keyOf(object)}: ${JSON.stringify(result.problems)}`);
        return [object.metadata.name, result.group];
      }),
  );
}

/** By "namespace/name". */
export function servicesOf({ objects }: Scenario): Map<string, PolicyService> {
  return new Map(
    objects
      .filter((object): object is Service => object.kind === "Service")
      .map((service) => {
        const { namespace = "default", name, labels = {} } = service.metadata;
        return [
          `${namespace}/${name}`,
          {
            namespace,
            name,
            labels: Labels.fromRecord("k8s", labels),
            selector: service.spec.selector,
            backends: service.spec.selector ? [] : backendsOf(objects, namespace, name),
          },
        ];
      }),
  );
}

function backendsOf(objects: readonly RawObject[], namespace: string, name: string): Prefix[] {
  return objects
    .filter((object): object is EndpointSlice => object.kind === "EndpointSlice")
    .filter(
      ({ metadata }) =>
        metadata.namespace === namespace &&
        metadata.labels?.["kubernetes.io/service-name"] === name,
    )
    .flatMap(({ endpoints = [] }) => endpoints.flatMap(({ addresses }) => addresses))
    .map((address) => Prefix.parse(`${address}/${address.includes(":") ? 128 : 32}`));
}
