// What of a test's manifests a lab is given, and how: its pods are echo servers with the test's labels and ports.
import type { Container, Pod } from "@tsilium/kube";
import { podOf } from "../manifests/pods.ts";
import type { TestObject } from "../manifests/read.ts";

/** Kinds that policy looks at; what else a folder of manifests holds stays out of the lab. */
const policyKinds: ReadonlySet<string> = new Set([
  "Namespace",
  "Service",
  "EndpointSlice",
  "NetworkPolicy",
  "CiliumNetworkPolicy",
  "CiliumClusterwideNetworkPolicy",
  "CiliumCIDRGroup",
  "ClusterNetworkPolicy",
]);

/** The object as the lab gets it; undefined when it is none of a lab's business. */
export function labObject(object: TestObject, nodeOf: (pod: Pod) => string): object | undefined {
  const pod = podOf(object);
  if (pod) return echoPod(pod, nodeOf(pod));
  return policyKinds.has(object.kind) ? object : undefined;
}

/** Images are not pulled and commands not run: whatever a pod would do, here it answers. */
function echoPod({ metadata, spec }: Pod, node: string): object {
  const { name, namespace, labels = {}, annotations = {} } = metadata;
  const containers = spec.containers.map(({ name: container, ports = [] }: Container) => ({
    name: container,
    image: "tsilium.io/echo",
    ports: ports.filter(({ protocol }) => protocol !== "SCTP"),
  }));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, labels, annotations },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      serviceAccountName: spec.serviceAccountName,
      ...(spec.hostNetwork === undefined ? {} : { hostNetwork: spec.hostNetwork }),
      containers: containers.length > 0 ? containers : [{ name: "main", image: "tsilium.io/echo" }],
    },
  };
}
